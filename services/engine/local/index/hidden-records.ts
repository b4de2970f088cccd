import type { Offset } from '../../../model/message.ts'
import type { AddressNumber } from './index-record.ts'
import { NONE, type RecordRef } from './record-blocks.ts'
import type { RecordChains } from './record-chains.ts'

/** The messages of an address that reads hide before a record evicts them. */
export interface Hidden {
  readonly count: number
  /** Greatest offset of a message over age; 0 without one. */
  readonly missedUpTo: Offset
}

/** Time in ms by which a clock has to go back for the records before to be ahead. Small steps back are usual. */
const AHEAD_MS = 60_000

export const NOTHING_HIDDEN: Hidden = { count: 0, missedUpTo: 0 }

/** Finds hidden records. The first ones are the oldest, except where the clock was ahead and then went back. */
export class HiddenRecords {
  readonly #chains: RecordChains
  readonly #untilOf: (offset: Offset) => number
  #lastAt = 0
  /** Offset of the last record before the clock went back. */
  #aheadUpTo: Offset = 0

  /** @param untilOf The expiry of a record, in ms since the epoch. */
  constructor (chains: RecordChains, untilOf: (offset: Offset) => number) {
    this.#chains = chains
    this.#untilOf = untilOf
  }

  /** Notes the time of the next record. `lastOffset`: the offset of the record before. */
  add (at: number, lastOffset: Offset): void {
    if (at < this.#lastAt - AHEAD_MS) this.#aheadUpTo = lastOffset
    this.#lastAt = at
  }

  /** Whether the clock was ahead at a record, or at one behind it: later records may be older. */
  isAhead (ref: RecordRef): boolean {
    return ref !== NONE && this.#chains.offset(ref) <= this.#aheadUpTo
  }

  /** The records of an address that have expired at `now`, or are over age: from before `since`. */
  all (address: AddressNumber, since: number, now: number): Hidden {
    let [count, missedUpTo] = [0, 0]
    for (let ref = this.#chains.first(address); ref !== NONE; ref = this.#chains.next(ref)) {
      const offset = this.#chains.offset(ref)
      const isExpired = this.#untilOf(offset) <= now
      const isOld = this.#chains.at(ref) < since
      if (isOld && !isExpired) missedUpTo = offset
      if (isOld || isExpired) count++
    }
    return { count, missedUpTo }
  }

  /** The records of an address that are over age, from before `since`. */
  overAge (address: AddressNumber, since: number, now: number): Hidden {
    let [count, missedUpTo] = [0, 0]
    let ref = this.#chains.first(address)
    if (this.isAhead(ref)) return this.all(address, since, now)
    for (; ref !== NONE && this.#chains.at(ref) < since; ref = this.#chains.next(ref)) {
      const offset = this.#chains.offset(ref)
      if (this.#untilOf(offset) > now) missedUpTo = offset
      count++
    }
    return count === 0 ? NOTHING_HIDDEN : { count, missedUpTo }
  }
}
