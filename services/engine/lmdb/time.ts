import type { Offset } from '../../model/message.ts'
import type { Limits } from '../local/retention.ts'

/**
 * Returns the offset below which messages are over age. The offsets of this engine are the times of their messages in
 * µs since the epoch, or slightly greater.
 */
export function ageFloor ({ maxAgeMs }: Limits, now: number): Offset {
  return Math.max(0, Math.floor((now - maxAgeMs) * 1000))
}

/** Returns the time of the message at an offset, in ms since the epoch; the file contains no other time. */
export function timeOf (offset: Offset): number {
  return Math.floor(offset / 1000)
}
