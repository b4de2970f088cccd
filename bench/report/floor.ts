import type { Sample } from '../scenarios/scenario.ts'

/** The peers that show the least a delivery can cost, the better one first: without gcc there is only Node's. */
const FLOORS = ['kernel', 'net']

/** Which of these peers is the floor that the others are compared with. */
export function floorAmong (ids: string[]): string | undefined {
  return FLOORS.find((id) => ids.includes(id))
}

/** Cost above the floor of many clients in relation to the floor of fewer: 1 when a delivery costs the same. */
export function growth (ours: Sample, floor: Sample | undefined, few: string, many: string): number {
  const above = (metric: string): number => (ours[metric] ?? Number.NaN) / (floor?.[metric] ?? Number.NaN)
  return above(many) / above(few)
}
