import type { AddressKey, Offset } from '../../model/message.ts'

/** The evictions of an address. */
export interface Evicted {
  /** Messages that left the log. */
  readonly count: number
  /** Greatest offset of a message that a reader misses; 0 without one. */
  readonly upTo: Offset
}

/** Entries for each kind of address at most. */
export const MAX_EVICTIONS = 100_000
/** Factor over the maximum at which the oldest entries are dropped: one pass over the Map then drops many. */
export const SLACK = 1.1

/** The kind of an address: all, user, group or client have different first characters. */
export function kindOf (key: AddressKey): number {
  return key.charCodeAt(0)
}

/**
 * The evictions of a log by address, so that a gap at one address is not reported for another. The number of entries is
 * bounded for each kind of address. For the dropped entries of a kind one offset is kept, the greatest: an address
 * without an entry reports a gap up to that offset. A false gap is acceptable, a missed gap is not.
 */
export class Evictions {
  readonly #max: number
  readonly #onDrop: (key: AddressKey) => void
  /** Entries by kind, in the order of their last eviction. */
  readonly #byKind = new Map<number, Map<AddressKey, Evicted>>()
  /** Greatest offset of the dropped entries, by kind. */
  readonly #droppedUpTo = new Map<number, Offset>()
  /** Greatest offset of a record that this node never received: every address may miss a message up to there. */
  #holeUpTo: Offset = 0

  /**
   * @param max Entries for each kind of address.
   * @param onDrop Called with the address of each dropped entry.
   */
  constructor (max = MAX_EVICTIONS, onDrop: (key: AddressKey) => void = () => {}) {
    this.#max = max
    this.#onDrop = onDrop
  }

  /** The evictions of an address. */
  of (key: AddressKey): Evicted {
    const kind = kindOf(key)
    const { count, upTo } = this.#byKind.get(kind)?.get(key) ?? { count: 0, upTo: this.#droppedUpTo.get(kind) ?? 0 }
    return { count, upTo: Math.max(upTo, this.#holeUpTo) }
  }

  /** Notes a hole: a gap up to an offset for every address. */
  noteHole (upTo: Offset): void {
    this.#holeUpTo = Math.max(this.#holeUpTo, upTo)
  }

  /** Greatest offset of a noted hole; 0 without one. */
  get holeUpTo (): Offset {
    return this.#holeUpTo
  }

  /**
   * Counts an evicted message. `upTo` is the offset of the message; 0 for an expired message, which no reader misses.
   */
  add (key: AddressKey, upTo: Offset, count = 1): void {
    const present = this.of(key)
    const kind = kindOf(key)
    const entries = this.#byKind.get(kind) ?? new Map<AddressKey, Evicted>()
    this.#byKind.set(kind, entries)
    entries.delete(key)
    entries.set(key, { count: present.count + count, upTo: Math.max(present.upTo, upTo) })
    if (entries.size > this.#max * SLACK) this.#dropOldest(kind, entries)
  }

  /** Adds the entries of another instance. */
  addAll (others: Evictions): void {
    this.noteHole(others.holeUpTo)
    const { entries, dropped } = others.entries()
    for (const [key, { count, upTo }] of entries) this.add(key, upTo, count)
    for (const [kind, upTo] of dropped) this.#droppedUpTo.set(kind, Math.max(this.#droppedUpTo.get(kind) ?? 0, upTo))
  }

  /** Removes the entry of an address: after a purge, no reader misses a message. */
  clear (key: AddressKey): void {
    this.#byKind.get(kindOf(key))?.delete(key)
  }

  /** All entries, and the greatest offset of the dropped entries of each kind. */
  entries (): {
    readonly entries: Array<[AddressKey, Evicted]>
    readonly dropped: Array<[kind: number, upTo: Offset]>
  } {
    return { entries: [...this.#byKind.values()].flatMap((one) => [...one]), dropped: [...this.#droppedUpTo] }
  }

  #dropOldest (kind: number, entries: Map<AddressKey, Evicted>): void {
    let droppedUpTo = this.#droppedUpTo.get(kind) ?? 0
    for (const [oldest, { upTo }] of entries) {
      if (entries.size <= this.#max) break
      entries.delete(oldest)
      droppedUpTo = Math.max(droppedUpTo, upTo)
      this.#onDrop(oldest)
    }
    this.#droppedUpTo.set(kind, droppedUpTo)
  }
}
