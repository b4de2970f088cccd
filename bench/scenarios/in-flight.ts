import type { Peer } from '../peers.ts'
import { measureBursts } from '../rig/bursts.ts'
import type { Windows } from '../rig/effort.ts'
import { onStages } from '../rig/stage.ts'
import { addAs } from './samples.ts'
import type { Column, Samples } from './scenario.ts'
import { CLIENTS, IN_FLIGHT } from './usual.ts'

/**
 * Broadcasts the default text to the default number of clients, with each number of messages in flight; metrics end
 * with that number.
 */
export function measureInFlight (rows: Peer[], windows: Windows): Promise<Samples> {
  return onStages(rows, async (stages) => {
    for (const stage of stages) await stage.connect(CLIENTS)
    const samples: Samples = {}
    for (const inFlight of IN_FLIGHT) {
      addAs(inFlight, await measureBursts(stages, { inFlight, clients: CLIENTS }, windows), samples)
    }
    return samples
  })
}

/** A column for each number of messages in flight. */
export function columnsInFlight ({ metric, ...column }: Omit<Column, 'heading'>, heading = (count: number): string => `${count} in flight`): Column[] {
  return IN_FLIGHT.map((count) => ({ ...column, metric: `${metric}-${count}`, heading: heading(count) }))
}
