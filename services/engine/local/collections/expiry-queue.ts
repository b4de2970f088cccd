import { Heap } from './heap.ts'

/**
 * Length at which stale entries are removed. The next removal happens at twice the remaining length, but not below this
 * one.
 */
const COMPACT_AT = 1024

/**
 * Items in the order of their expiry. An item that is removed or gets another expiry leaves a stale entry in the queue,
 * which `isDue` recognizes and the queue skips.
 */
export class ExpiryQueue<T> {
  readonly #isDue: (item: T, at: number) => boolean
  readonly #expiries = new Heap<{ readonly item: T, readonly at: number }>(({ at }) => at)
  #compactAt = COMPACT_AT

  /** @param isDue Whether the item still exists and still expires at that time. */
  constructor (isDue: (item: T, at: number) => boolean) {
    this.#isDue = isDue
  }

  /** Adds an item that expires at a time in ms since the epoch. An item with Infinity is not queued. */
  add (item: T, at: number): void {
    if (at === Infinity) return
    if (this.#expiries.length >= this.#compactAt) {
      this.#expiries.retain((entry) => this.#isDue(entry.item, entry.at))
      this.#compactAt = Math.max(COMPACT_AT, 2 * this.#expiries.length)
    }
    this.#expiries.push({ item, at })
  }

  /** Removes the items that have expired by now, one after another, and yields each. */
  * take (now: number): Generator<T, void> {
    for (let first = this.#expiries.first; first !== undefined && first.at <= now; first = this.#expiries.first) {
      this.#expiries.shift()
      if (this.#isDue(first.item, first.at)) yield first.item
    }
  }

  /** Whether an item may have expired by now; false means certainly none. */
  isAnyDue (now: number): boolean {
    return (this.#expiries.first?.at ?? Infinity) <= now
  }

  clear (): void {
    this.#expiries.clear()
  }
}
