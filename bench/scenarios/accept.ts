import { isQuiet, othersPercent } from '../quiet.ts'
import { onStage, total, type Reading } from '../stage.ts'
import type { Scenario } from './scenario.ts'

// A server is twice as slow until V8 has compiled what it runs, which takes it some 2000 connections.
const WARM_UP = 2000

/** Opens connections, 50 at a time, and keeps them open. */
export const accept: Scenario = {
  id: 'accept',
  tables: [{
    title: 'Accepting a connection: server CPU (µs)',
    columns: [{ metric: 'cpuUs', heading: 'per connection', digits: 0, compared: true }]
  }],
  measure: (peer, effort) => onStage(peer, async (stage) => {
    await stage.connect(WARM_UP)
    const batches: Reading[] = []
    for (let opened = 0; opened < effort.maxAccepts; opened += effort.accepts) {
      const before = stage.read()
      await stage.connect(effort.accepts)
      batches.push(stage.since(before))
      if (total(batches.filter(isQuiet)).serverMs >= effort.windowCpuMs) break
    }
    const chosen = leastDisturbed(batches)
    const used = total(chosen)
    return { cpuUs: used.serverMs * 1000 / (chosen.length * effort.accepts), othersPercent: othersPercent(used) }
  })
}

// At least half of the batches: one alone is too short for the clock of 10 ms.
function leastDisturbed (batches: Reading[]): Reading[] {
  const sorted = [...batches].sort((a, b) => othersPercent(a) - othersPercent(b))
  return sorted.filter((batch, i) => isQuiet(batch) || i < batches.length / 2)
}
