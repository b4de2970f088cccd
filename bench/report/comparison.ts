import type { Sample } from '../scenarios/scenario.ts'
import { floorAmong } from './floor.ts'

/** The results of one scenario: a sample per round for each row, by the row's id. */
export type Rounds = Record<string, Sample[]>

/** Reference to the floor, in place of a row's id. */
export const FLOOR = 'floor'

/** Returns the id of the referenced row, or undefined when it was not measured. */
export function resolved (id: string, rounds: Rounds): string | undefined {
  const found = id === FLOOR ? floorAmong(Object.keys(rounds)) : id
  return found !== undefined && found in rounds ? found : undefined
}

/** Returns one figure of a row in every round. */
export function figures (rounds: Rounds, id: string, metric: string): number[] {
  return (rounds[id] ?? []).map((sample) => sample[metric] ?? Number.NaN)
}

/** Returns the ratios of one figure to that of another row in the same round: a slow machine slows both. */
export function ratios (rounds: Rounds, id: string, metric: string, reference: string): number[] {
  const others = figures(rounds, resolved(reference, rounds) ?? '', metric)
  return figures(rounds, id, metric).map((value, round) => value / (others[round] ?? Number.NaN))
}
