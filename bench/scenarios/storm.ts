import { onStages } from '../rig/stage.ts'
import { oneByOne } from './samples.ts'
import type { Scenario } from './scenario.ts'

const WARM_UP = 2000
const STORM = 2000

/** Opens many connections at once, like clients that have lost another server. */
export const storm: Scenario = {
  id: 'storm',
  rounds: 3,
  isQuick: false,
  tables: [{
    title: `${STORM} connections at once: server CPU per connection (µs), and time until the last one is open (ms)`,
    columns: [
      { metric: 'cpuUs', heading: 'per connection', digits: 0, against: ['ws', 'floor'] },
      { metric: 'lastMs', heading: 'last open after', digits: 0, against: ['ws', 'floor'] }
    ]
  }],
  measure: (rows) => onStages(rows, async (stages) => {
    for (const stage of stages) await stage.connect(WARM_UP)
    return oneByOne(stages, async (stage) => {
      const before = stage.read()
      const lastMs = await stage.connect(STORM, { concurrency: STORM })
      return { cpuUs: stage.since(before).serverMs * 1000 / STORM, lastMs }
    })
  })
}
