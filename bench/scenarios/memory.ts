import { setTimeout as sleep } from 'node:timers/promises'
import { onStages } from '../stage.ts'
import type { Samples, Scenario } from './scenario.ts'

const WARM_UP = 500
const SETTLE_MS = 500

/** Opens many connections that then say and hear nothing. */
export const memory: Scenario = {
  id: 'memory',
  tables: [{
    title: 'An idle connection: resident memory of the server (KB)',
    columns: [{ metric: 'kb', heading: 'per connection', digits: 1, compared: true }]
  }],
  measure: (peers, effort) => onStages(peers, async (stages) => {
    const samples: Samples = {}
    for (const stage of stages) {
      await stage.connect(WARM_UP) // so that code and first buffers are not counted as connections
      await sleep(SETTLE_MS)
      const before = await stage.residentBytes()
      await stage.connect(effort.idle)
      await sleep(SETTLE_MS)
      const after = await stage.residentBytes()
      samples[stage.peer.id] = { kb: (after - before) / 1024 / effort.idle }
    }
    return samples
  })
}
