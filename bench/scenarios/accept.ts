import { isQuiet } from '../rig/clocks/quiet.ts'
import { othersPercent, total, type Reading } from '../rig/clocks/reading.ts'
import { onStages, type Stage } from '../rig/stage.ts'
import type { Sample, Scenario } from './scenario.ts'

// A server is twice as slow until V8 has compiled its code, which takes about 2000 connections.
const WARM_UP = 2000

/** Opens connections, 50 at a time, and keeps them open. */
export const accept: Scenario = {
  id: 'accept',
  rounds: 3,
  isQuick: true,
  tables: [{
    title: 'Accepting a connection: server CPU (µs)',
    columns: [{ metric: 'cpuUs', heading: 'per connection', digits: 0, against: ['ws', 'floor'] }]
  }],
  measure: (rows, effort) => onStages(rows, async (stages) => {
    for (const stage of stages) await stage.connect(WARM_UP)
    const batches = new Map<Stage, Reading[]>(stages.map((stage) => [stage, []]))
    for (let opened = 0; opened < effort.acceptsInAll; opened += effort.accepts) {
      for (const [stage, readings] of batches) {
        const before = stage.read()
        await stage.connect(effort.accepts)
        readings.push(stage.since(before))
      }
    }
    return Object.fromEntries([...batches].map(([{ peer }, readings]) => [peer.id, sampleOf(leastDisturbed(readings), effort.accepts)]))
  })
}

function sampleOf (batches: Reading[], connections: number): Sample {
  const used = total(batches)
  return { cpuUs: used.serverMs * 1000 / (batches.length * connections), othersPercent: othersPercent(used) }
}

// At least half of the batches: a single batch is too short for the CPU clock of 10 ms.
function leastDisturbed (batches: Reading[]): Reading[] {
  const sorted = [...batches].sort((a, b) => othersPercent(a) - othersPercent(b))
  return sorted.filter((batch, i) => isQuiet(batch) || i < batches.length / 2)
}
