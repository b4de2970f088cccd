import type { AddressKey, Offset } from '../../model/message.ts'

/** Messages of an address that left the log, and up to which offset a reader misses something; 0: nothing. */
export interface Evicted {
  readonly count: number
  readonly upTo: Offset
}

/** Addresses of one kind whose evictions are remembered at most. */
export const MAX_EVICTIONS = 100_000
/** So many times that are remembered for a while: finding the oldest is worth it only for many at once. */
const SLACK = 1.1

/** Users, groups, connections or everyone: the first character tells them apart. */
function kindOf (key: AddressKey): number {
  return key.charCodeAt(0)
}

/**
 * What left the log, by address, so that a gap at one address is not reported for another. Of each kind of address only
 * so many are remembered. Of those that had to be forgotten one offset is kept, the greatest: whoever reads an unknown
 * address of that kind from below it is told of a gap that may be none, and never the other way round.
 */
export class Evictions {
  readonly #max: number
  /** By kind; those whose last eviction is longest ago come first. */
  readonly #known = new Map<number, Map<AddressKey, Evicted>>()
  readonly #forgotten = new Map<number, Offset>()

  constructor (max = MAX_EVICTIONS) {
    this.#max = max
  }

  of (key: AddressKey): Evicted {
    const kind = kindOf(key)
    return this.#known.get(kind)?.get(key) ?? { count: 0, upTo: this.#forgotten.get(kind) ?? 0 }
  }

  /** A message is gone. `upTo` is its offset; 0 when nobody misses it, because it had expired. */
  add (key: AddressKey, upTo: Offset, count = 1): void {
    const present = this.of(key)
    const kind = kindOf(key)
    const known = this.#known.get(kind) ?? new Map<AddressKey, Evicted>()
    this.#known.set(kind, known)
    known.delete(key)
    known.set(key, { count: present.count + count, upTo: Math.max(present.upTo, upTo) })
    if (known.size > this.#max * SLACK) this.#forgetOldest(kind, known)
  }

  /** Adds what others know. */
  addAll (others: Evictions): void {
    const { known, forgotten } = others.entries()
    for (const [key, { count, upTo }] of known) this.add(key, upTo, count)
    for (const [kind, upTo] of forgotten) this.#forgotten.set(kind, Math.max(this.#forgotten.get(kind) ?? 0, upTo))
  }

  /** The address is as if nothing had ever been said to it. */
  clear (key: AddressKey): void {
    this.#known.get(kindOf(key))?.delete(key)
  }

  /** Everything that is known, and what had to be forgotten of each kind. */
  entries (): { readonly known: Array<[AddressKey, Evicted]>, readonly forgotten: Array<[kind: number, upTo: Offset]> } {
    return { known: [...this.#known.values()].flatMap((known) => [...known]), forgotten: [...this.#forgotten] }
  }

  #forgetOldest (kind: number, known: Map<AddressKey, Evicted>): void {
    let forgotten = this.#forgotten.get(kind) ?? 0
    for (const [oldest, { upTo }] of known) {
      if (known.size <= this.#max) break
      known.delete(oldest)
      forgotten = Math.max(forgotten, upTo)
    }
    this.#forgotten.set(kind, forgotten)
  }
}
