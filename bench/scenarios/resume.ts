import { setTimeout as sleep } from 'node:timers/promises'
import { variantsOfOurs } from '../peers.ts'
import { Audience } from '../rig/audience.ts'
import { corePercents } from '../rig/clocks/reading.ts'
import { running } from '../rig/running.ts'
import { reliable, sse } from './readers.ts'
import { oneByOne } from './samples.ts'
import type { Sample, Scenario } from './scenario.ts'
import { CLIENTS } from './usual.ts'

const MISSED = 100
const SETTLE_MS = 500

/** All clients lose their connections, miss the same messages, and reconnect at the same moment. */
export const resume: Scenario = {
  id: 'resume',
  rounds: 3,
  isQuick: false,
  rows: variantsOfOurs((ours) => [reliable(ours), sse(ours)]),
  tables: [{
    title: `${CLIENTS} clients resume at once, each of which has missed ${MISSED} broadcasts of 128 bytes: time until the last client has everything (ms), server CPU per missed message (µs), use of one core (%)`,
    columns: [
      { metric: 'ms', heading: 'until the last', digits: 0 },
      { metric: 'cpuUs', heading: 'CPU', digits: 2 },
      { metric: 'serverPercent', heading: 'server', digits: 0 },
      { metric: 'loadPercent', heading: 'load', digits: 0 }
    ]
  }],
  measure: (rows) => running(rows.map((row) => new Audience(row)), async (audiences) => {
    return oneByOne(audiences, async (audience) => {
      await audience.gather(CLIENTS)
      await missAndReturn(audience) // to warm up
      return missAndReturn(audience)
    })
  })
}

async function missAndReturn (audience: Audience): Promise<Sample> {
  await audience.leave()
  audience.publish(MISSED)
  await sleep(SETTLE_MS)
  const before = audience.read()
  const ms = await audience.comeBack(MISSED)
  const used = audience.since(before)
  const { serverPercent, loadPercent } = corePercents(used)
  return { ms, cpuUs: used.serverMs * 1000 / (CLIENTS * MISSED), serverPercent, loadPercent }
}
