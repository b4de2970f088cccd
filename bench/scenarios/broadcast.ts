import { columnsInFlight, measureInFlight } from './in-flight.ts'
import { CLIENTS } from './usual.ts'
import type { Scenario } from './scenario.ts'

/** Broadcasts the default text to the default number of clients: one message at a time, and in bursts. */
export const broadcast: Scenario = {
  id: 'broadcast',
  rounds: 5,
  isQuick: true,
  tables: [
    {
      title: `Broadcast of 128 bytes to ${CLIENTS} clients: server CPU per delivery (µs)`,
      columns: columnsInFlight({ metric: 'cpuUs', digits: 2, against: ['ws', 'floor'] })
    },
    {
      title: 'The same broadcast: deliveries per second (thousands)',
      columns: columnsInFlight({ metric: 'kPerSecond', digits: 0 })
    },
    {
      title: 'The same broadcast, 1, 16 and 64 in flight: how much of one core was used (%) by server, load and other programs',
      columns: [
        ...columnsInFlight({ metric: 'serverPercent', digits: 0 }, (count) => `server ${count}`),
        ...columnsInFlight({ metric: 'loadPercent', digits: 0 }, (count) => `load ${count}`),
        ...columnsInFlight({ metric: 'othersPercent', digits: 0 }, (count) => `others ${count}`)
      ]
    }
  ],
  measure: (rows, effort) => measureInFlight(rows, effort.long)
}
