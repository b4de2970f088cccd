import type { Effort } from '../effort.ts'
import { othersPercent, quietest } from '../quiet.ts'
import { onStages, payload, type Reading, type Stage } from '../stage.ts'
import type { Column, Sample, Samples, Scenario } from './scenario.ts'

const IN_FLIGHT = [1, 16, 64]
const CHECK_EVERY_MS = 50

/** Says the same text to everyone, a few messages per tick; the next ones follow when every client has all of them. */
export const broadcast: Scenario = {
  id: 'broadcast',
  tables: [
    {
      title: `Broadcast of ${payload.length} bytes to 1000 clients: server CPU per delivery (µs)`,
      columns: columns('cpuUs', 2, true)
    },
    {
      title: 'The same broadcast: deliveries per second (thousands)',
      columns: columns('kPerSecond', 0, false)
    },
    {
      title: 'The same broadcast: how much of one core was used (%) by server, load and other programs',
      columns: [
        ...columns('serverPercent', 0, false, 'server, '),
        ...columns('loadPercent', 0, false, 'load, '),
        ...columns('othersPercent', 0, false, 'others, ')
      ]
    }
  ],
  // The peers' windows follow each other closely: a machine whose speed drifts is the same for all of them.
  measure: (peers, effort) => onStages(peers, async (stages) => {
    for (const stage of stages) await stage.connect(effort.receivers)
    const samples: Samples = {}
    for (const inFlight of IN_FLIGHT) {
      for (const stage of stages) {
        stage.expect(inFlight)
        await play(stage, inFlight, { ...effort, windowWallMs: effort.warmUpMs })
      }
      for (const stage of stages) {
        const window = await quietest(effort.attempts, () => play(stage, inFlight, effort))
        samples[stage.peer.id] = { ...samples[stage.peer.id], ...sampleOf(window, inFlight, effort.receivers) }
      }
    }
    return samples
  })
}

interface Window { rounds: number, used: Reading }

function sampleOf ({ rounds, used }: Window, inFlight: number, receivers: number): Sample {
  const deliveries = rounds * inFlight * receivers
  return {
    [`cpuUs-${inFlight}`]: used.serverMs * 1000 / deliveries,
    [`kPerSecond-${inFlight}`]: deliveries / used.wallMs,
    [`serverPercent-${inFlight}`]: used.serverMs / used.wallMs * 100,
    [`loadPercent-${inFlight}`]: used.loadMs / used.wallMs * 100,
    [`othersPercent-${inFlight}`]: othersPercent(used)
  }
}

async function play (stage: Stage, inFlight: number, limit: Effort): Promise<Window> {
  const before = stage.read()
  let checked = before.wallMs
  for (let rounds = 1; ; rounds++) {
    await stage.broadcast(inFlight)
    if (performance.now() - checked < CHECK_EVERY_MS) continue
    const used = stage.since(before)
    if (used.serverMs >= limit.windowCpuMs || used.wallMs >= limit.windowWallMs) return { rounds, used }
    checked = performance.now()
  }
}

function columns (metric: string, digits: number, compared: boolean, prefix = ''): Column[] {
  return IN_FLIGHT.map((count) => ({ metric: `${metric}-${count}`, heading: `${prefix}${count} in flight`, digits, compared }))
}
