import type { AddressKey, Offset } from '../../model/message.ts'
import { kindOf, SLACK, type Evicted } from '../local/evicted.ts'

/** Addresses of one kind at most. */
const MAX_ADDRESSES = 10_000

/**
 * Numbers of lost messages, by address, that the journal has not taken yet. The number of addresses of each kind is
 * bounded: for the others, every address gets a gap up to the greatest of their offsets. A false gap is acceptable, a
 * missed gap is not.
 */
export class OwedLosses {
  readonly #onDrop: (name: AddressKey) => void
  /** Losses by kind of address, in the order of the last one. */
  readonly #byKind = new Map<number, Map<AddressKey, Evicted>>()
  #doubtUpTo: Offset = 0

  /** @param onDrop Called with each address over the bound: the one without a new loss for the longest time. */
  constructor (onDrop: (name: AddressKey) => void) {
    this.#onDrop = onDrop
  }

  /** Greatest offset of a lost message of an address that is not counted; 0 without one. */
  get doubtUpTo (): Offset {
    return this.#doubtUpTo
  }

  /** The losses of each address, with their greatest offset. */
  * entries (): Generator<readonly [name: AddressKey, losses: Evicted], void> {
    for (const losses of this.#byKind.values()) yield * losses
  }

  /** Counts lost messages of an address, up to an offset. */
  add (name: AddressKey, upTo: Offset, count: number): void {
    const kind = kindOf(name)
    const losses = this.#byKind.get(kind) ?? new Map<AddressKey, Evicted>()
    this.#byKind.set(kind, losses)
    const present = losses.get(name)
    losses.delete(name)
    losses.set(name, { count: (present?.count ?? 0) + count, upTo: Math.max(present?.upTo ?? 0, upTo) })
    if (losses.size > MAX_ADDRESSES * SLACK) this.#dropOldest(losses)
  }

  /** Notes that any address may have lost messages up to an offset. */
  doubt (upTo: Offset): void {
    this.#doubtUpTo = Math.max(this.#doubtUpTo, upTo)
  }

  #dropOldest (losses: Map<AddressKey, Evicted>): void {
    for (const [oldest, { upTo }] of losses) {
      if (losses.size <= MAX_ADDRESSES) return
      losses.delete(oldest)
      this.doubt(upTo)
      this.#onDrop(oldest)
    }
  }
}
