import { variant, variantsOfOurs } from '../peers.ts'
import { columnsInFlight, measureInFlight } from './in-flight.ts'
import { CLIENTS, IN_MEMORY } from './usual.ts'
import type { Scenario } from './scenario.ts'

/**
 * Measures the cost of the log for an application that only broadcasts: the same broadcast with and without the log.
 */
export const log: Scenario = {
  id: 'log',
  rounds: 5,
  isQuick: false,
  rows: variantsOfOurs((ours) => [
    { ...ours, name: 'kept on disk' },
    variant(ours, 'memory', 'kept in memory', IN_MEMORY),
    variant(ours, 'forget', 'keep: false', { keep: false })
  ]),
  tables: [{
    title: `Keeping the log of fastify-hub: broadcast of 128 bytes to ${CLIENTS} clients, server CPU per delivery (µs)`,
    columns: columnsInFlight({ metric: 'cpuUs', digits: 2, against: ['ours-memory', 'ours-forget'] })
  }],
  measure: (rows, effort) => measureInFlight(rows, effort.long)
}
