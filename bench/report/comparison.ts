import type { Sample } from '../scenarios/scenario.ts'
import { floorAmong } from './floor.ts'

/** What one scenario found: a sample per round for each row, by the row's id. */
export type Rounds = Record<string, Sample[]>

/** Stands for the floor in place of a row's id. */
export const FLOOR = 'floor'

/** The id of the row that is meant, or undefined when it was not measured. */
export function resolved (id: string, rounds: Rounds): string | undefined {
  const found = id === FLOOR ? floorAmong(Object.keys(rounds)) : id
  return found !== undefined && found in rounds ? found : undefined
}

/** One figure of a row in every round. */
export function figures (rounds: Rounds, id: string, metric: string): number[] {
  return (rounds[id] ?? []).map((sample) => sample[metric] ?? Number.NaN)
}

/** The same divided by that of another row, within each round: what slows the machine down slows both. */
export function ratios (rounds: Rounds, id: string, metric: string, reference: string): number[] {
  const others = figures(rounds, resolved(reference, rounds) ?? '', metric)
  return figures(rounds, id, metric).map((value, round) => value / (others[round] ?? Number.NaN))
}
