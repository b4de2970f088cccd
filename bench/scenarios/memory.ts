import { setTimeout as sleep } from 'node:timers/promises'
import { corePercents } from '../rig/clocks/reading.ts'
import { onStages } from '../rig/stage.ts'
import { ownBytes } from '../servers/memory.ts'
import { oneByOne } from './samples.ts'
import type { Scenario } from './scenario.ts'

const WARM_UP = 500
const SETTLE_MS = 500

/** Opens many idle connections and measures the server for longer than fastify-hub's ping period. */
export const memory: Scenario = {
  id: 'memory',
  rounds: 2,
  isQuick: true,
  tables: [{
    title: 'An idle connection: resident memory of the server (KB), and CPU of the server while all of them idle (% of one core)',
    columns: [
      { metric: 'kb', heading: 'per connection', digits: 1, against: ['ws'] },
      { metric: 'idlePercent', heading: 'CPU of all', digits: 2 }
    ]
  }],
  measure: (rows, effort) => onStages(rows, async (stages) => {
    const samples = await oneByOne(stages, async (stage) => {
      await stage.connect(WARM_UP) // so that code and first buffers are not counted as connections
      await sleep(SETTLE_MS)
      const before = ownBytes(await stage.server.memory())
      await stage.connect(effort.idle)
      await sleep(SETTLE_MS)
      const after = ownBytes(await stage.server.memory())
      return { kb: (after - before) / 1024 / effort.idle }
    })
    if (effort.idleMs === 0) return samples
    // All at the same time, because idle servers use almost no CPU.
    const before = stages.map((stage) => ({ stage, reading: stage.read() }))
    await sleep(effort.idleMs)
    for (const { stage, reading } of before) {
      samples[stage.peer.id] = { ...samples[stage.peer.id], idlePercent: corePercents(stage.since(reading)).serverPercent }
    }
    return samples
  })
}
