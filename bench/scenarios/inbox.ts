import { variant, variantsOfOurs } from '../peers.ts'
import { median } from '../report/statistics.ts'
import { total, type Reading } from '../rig/clocks/reading.ts'
import { onStages, type Stage } from '../rig/stage.ts'
import { userName } from '../rig/token.ts'
import { addAs } from './samples.ts'
import type { Sample, Samples, Scenario } from './scenario.ts'
import { IN_MEMORY } from './usual.ts'

// A thousand messages are delivered in a few milliseconds, which is less than the resolution of the CPU time.
const INBOXES = [{ messages: 1000, users: 20 }, { messages: 100_000, users: 1 }]
const PATIENCE_MS = 50_000
const APPENDED_AT_ONCE = 256
const KEPT = { inbox: { maxCount: 200_000 } }

/** An offline user reconnects and reads the unread messages of the inbox. */
export const inbox: Scenario = {
  id: 'inbox',
  rounds: 2,
  isQuick: false,
  rows: variantsOfOurs((ours) => [
    variant(ours, 'inbox', ours.name, KEPT),
    variant(ours, 'inbox-memory', 'fastify-hub, engine memory', { ...KEPT, ...IN_MEMORY })
  ]),
  tables: [{
    title: 'A raw client connects to an inbox with messages of 128 bytes: time to the last message (ms), messages per second (thousands), server CPU per message (µs)',
    columns: INBOXES.flatMap(({ messages }) => [
      { metric: `ms-${messages}`, heading: `${messages} messages`, digits: 1 },
      { metric: `kPerSecond-${messages}`, heading: 'per second', digits: 0 },
      { metric: `cpuUs-${messages}`, heading: 'CPU', digits: 1 }
    ])
  }],
  measure: (rows) => onStages(rows, async (stages) => {
    const samples: Samples = {}
    for (const stage of stages) {
      let user = 0
      for (const { messages, users } of [{ messages: 1000, users: 5 }, ...INBOXES]) {
        const drained: Drained[] = []
        for (let i = 0; i < users; i++) drained.push(await drain(stage, userName(user++), messages))
        addAs(messages, { [stage.peer.id]: sampleOf(drained, messages) }, samples)
      }
    }
    return samples
  })
}

interface Drained { tookMs: number, used: Reading }

async function drain (stage: Stage, user: string, messages: number): Promise<Drained> {
  const { count } = await stage.server.append({ user, inFlight: APPENDED_AT_ONCE, most: messages, forMs: PATIENCE_MS })
  if (count < messages) throw new Error(`It takes too long to fill an inbox: ${count} of ${messages} messages in ${PATIENCE_MS / 1000} s.`)
  const before = stage.read()
  const tookMs = await stage.drain(messages)
  return { tookMs, used: stage.since(before) }
}

function sampleOf (drained: Drained[], messages: number): Sample {
  const ms = median(drained.map(({ tookMs }) => tookMs))
  return { ms, kPerSecond: messages / ms, cpuUs: total(drained.map(({ used }) => used)).serverMs * 1000 / (drained.length * messages) }
}
