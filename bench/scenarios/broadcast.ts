import { addAs, measureBursts } from '../bursts.ts'
import { onStages } from '../stage.ts'
import { CLIENTS, IN_FLIGHT } from './usual.ts'
import type { Column, Samples, Scenario } from './scenario.ts'

/** The usual text to the usual crowd: one message at a time, and bursts. */
export const broadcast: Scenario = {
  id: 'broadcast',
  rounds: 5,
  isQuick: true,
  tables: [
    {
      title: `Broadcast of 128 bytes to ${CLIENTS} clients: server CPU per delivery (µs)`,
      columns: columns({ metric: 'cpuUs', digits: 2, against: ['ws', 'floor'] })
    },
    {
      title: 'The same broadcast: deliveries per second (thousands)',
      columns: columns({ metric: 'kPerSecond', digits: 0 })
    },
    {
      title: 'The same broadcast, 1, 16 and 64 in flight: how much of one core was used (%) by server, load and other programs',
      columns: [
        ...columns({ metric: 'serverPercent', digits: 0 }, (count) => `server ${count}`),
        ...columns({ metric: 'loadPercent', digits: 0 }, (count) => `load ${count}`),
        ...columns({ metric: 'othersPercent', digits: 0 }, (count) => `others ${count}`)
      ]
    }
  ],
  measure: (rows, effort) => onStages(rows, async (stages) => {
    for (const stage of stages) await stage.connect(CLIENTS)
    const samples: Samples = {}
    for (const inFlight of IN_FLIGHT) {
      addAs(inFlight, await measureBursts(stages, { inFlight, clients: CLIENTS }, effort.long), samples)
    }
    return samples
  })
}

function columns ({ metric, ...column }: Omit<Column, 'heading'>, heading = (count: number): string => `${count} in flight`): Column[] {
  return IN_FLIGHT.map((count) => ({ ...column, metric: `${metric}-${count}`, heading: heading(count) }))
}
