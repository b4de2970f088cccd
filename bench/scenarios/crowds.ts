import { withoutSameLoop } from '../peers.ts'
import { floorAmong, growth } from '../report/floor.ts'
import { measureBursts } from '../rig/bursts.ts'
import { full } from '../rig/effort.ts'
import { onStages } from '../rig/stage.ts'
import { addAs } from './samples.ts'
import type { Column, Samples, Scenario } from './scenario.ts'
import { IN_FLIGHT } from './usual.ts'

const FEW = 1000
const MANY = 10_000

/** Repeats the broadcast with a growing number of clients on one server. */
export const crowds: Scenario = {
  id: 'clients',
  rounds: 2,
  isQuick: false,
  rows: withoutSameLoop,
  tables: IN_FLIGHT.map((inFlight) => ({
    title: `Broadcast of 128 bytes, ${inFlight} in flight, by number of clients: server CPU per delivery (µs)`,
    columns: [
      ...full.crowds.map((clients): Column => ({ metric: `cpuUs-${clients}-${inFlight}`, heading: String(clients), digits: 2, against: ['floor'] })),
      { metric: `growth-${inFlight}`, heading: 'growth', digits: 2 }
    ]
  })),
  measure: (rows, effort) => onStages(rows, async (stages) => {
    const samples: Samples = {}
    let connected = 0
    for (const clients of effort.crowds) {
      for (const stage of stages) await stage.connect(clients - connected)
      for (const inFlight of IN_FLIGHT) {
        // In later steps all code is compiled, and a burst to many clients takes seconds.
        const isWarm = connected > 0 && inFlight > 1
        addAs(`${clients}-${inFlight}`, await measureBursts(stages, { inFlight, clients }, isWarm ? { ...effort.short, warmUpMs: 0 } : effort.short), samples)
      }
      connected = clients
    }
    return withGrowth(samples)
  })
}

function withGrowth (samples: Samples): Samples {
  const floor = samples[floorAmong(Object.keys(samples)) ?? '']
  return Object.fromEntries(Object.entries(samples).map(([id, sample]) => {
    const growths = IN_FLIGHT.map((inFlight) => [`growth-${inFlight}`, growth(sample, floor, `cpuUs-${FEW}-${inFlight}`, `cpuUs-${MANY}-${inFlight}`)])
    return [id, { ...sample, ...Object.fromEntries(growths) as Record<string, number> }]
  }))
}
