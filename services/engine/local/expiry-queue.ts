import { Heap } from './heap.ts'

/** Ends of what is gone already are thrown out when there are this many, and again when they are twice as many as are due. */
const COMPACT_AT = 1024

/** What ends when. */
export class ExpiryQueue<T> {
  readonly #isDue: (item: T, at: number) => boolean
  readonly #ends = new Heap<{ readonly item: T, readonly at: number }>(({ at }) => at)
  #compactAt = COMPACT_AT

  /** `isDue` tells whether a thing is still there and still ends at that time. */
  constructor (isDue: (item: T, at: number) => boolean) {
    this.#isDue = isDue
  }

  add (item: T, at: number): void {
    if (at === Infinity) return
    if (this.#ends.length >= this.#compactAt) {
      this.#ends.retain((end) => this.#isDue(end.item, end.at))
      this.#compactAt = Math.max(COMPACT_AT, 2 * this.#ends.length)
    }
    this.#ends.push({ item, at })
  }

  /** Takes off, one after another, what has ended by now. */
  * take (now: number): Generator<T, void> {
    for (let first = this.#ends.first; first !== undefined && first.at <= now; first = this.#ends.first) {
      this.#ends.shift()
      if (this.#isDue(first.item, first.at)) yield first.item
    }
  }

  clear (): void {
    this.#ends.clear()
  }
}
