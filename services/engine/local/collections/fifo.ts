/** Free slots at the front that are worth a copy of the array, if they are also more than half of the slots. */
const COMPACT_AT = 64

/** A list with O(1) `push` at the end and amortized O(1) `shift` at the front. */
export class Fifo<T> {
  #items: Array<T | undefined> = []
  /** Index of the first item; the slots below are free. */
  #first = 0

  get length (): number {
    return this.#items.length - this.#first
  }

  get first (): T | undefined {
    return this.#items[this.#first]
  }

  push (item: T): void {
    this.#items.push(item)
  }

  /** Removes and returns the first item. */
  shift (): T | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#first]
    this.#items[this.#first++] = undefined
    if (this.#first > COMPACT_AT && this.#first > this.#items.length / 2) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return item
  }

  clear (): void {
    this.#items = []
    this.#first = 0
  }
}
