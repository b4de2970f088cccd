import { onStages } from '../rig/stage.ts'
import { oneByOne } from './samples.ts'
import type { Scenario } from './scenario.ts'
import { CLIENTS } from './usual.ts'

const EVERY_MS = 50
const WARM_UP = 10

/** Sends a message every 50 ms, whether or not the previous message has arrived. */
export const latency: Scenario = {
  id: 'latency',
  rounds: 2,
  isQuick: false,
  tables: [{
    title: `Latency of 128 bytes to ${CLIENTS} clients, ${1000 / EVERY_MS} messages per second (ms)`,
    columns: [
      { metric: 'p50Ms', heading: 'p50', digits: 1, against: ['ws', 'floor'] },
      { metric: 'p95Ms', heading: 'p95', digits: 1, against: ['ws', 'floor'] },
      { metric: 'p99Ms', heading: 'p99', digits: 1, against: ['ws', 'floor'] }
    ]
  }],
  measure: (rows, effort) => onStages(rows, async (stages) => {
    for (const stage of stages) await stage.connect(CLIENTS, { isStamped: true })
    return oneByOne(stages, async (stage) => {
      await stage.pace(WARM_UP, EVERY_MS)
      return { ...await stage.pace(effort.paced, EVERY_MS) }
    })
  })
}
