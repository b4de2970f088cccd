import type { Sample } from '../scenarios/scenario.ts'

/** Peers that measure the minimum cost of a delivery, in order of preference: without gcc there is only Node's. */
const FLOORS = ['kernel', 'net']

/** Returns the peer that is the floor for the comparison with the others. */
export function floorAmong (ids: string[]): string | undefined {
  return FLOORS.find((id) => ids.includes(id))
}

/**
 * Returns the cost with many clients, relative to the floor, divided by that with few clients: 1 when a delivery costs
 * the same.
 */
export function growth (ours: Sample, floor: Sample | undefined, few: string, many: string): number {
  const above = (metric: string): number => (ours[metric] ?? Number.NaN) / (floor?.[metric] ?? Number.NaN)
  return above(many) / above(few)
}
