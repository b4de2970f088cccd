import type { Offset } from '../../model/message.ts'
import type { Limits } from '../local/retention.ts'

/**
 * The offset below which messages are over age: the offsets of this engine are the times of their messages in µs since
 * the epoch, or a little more.
 */
export function ageFloor ({ maxAgeMs }: Limits, now: number): Offset {
  return Math.max(0, Math.floor((now - maxAgeMs) * 1000))
}

/** The time of the message at an offset, in ms since the epoch: the file holds no other time. */
export function timeOf (offset: Offset): number {
  return Math.floor(offset / 1000)
}
