import type { AddressKey, Offset } from '../../model/message.ts'

/** The evictions of an address. */
export interface Evicted {
  /** Messages that left the log. */
  readonly count: number
  /** Greatest offset of a message that a reader misses; 0 without one. */
  readonly upTo: Offset
}

/** Factor over a maximum at which the oldest entries of a Map are dropped: one pass over the Map then drops many. */
export const SLACK = 1.1

/** The kind of an address: all, user, group or client have different first characters. */
export function kindOf (key: AddressKey): number {
  return key.charCodeAt(0)
}
