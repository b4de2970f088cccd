import { firstIndex } from './first-index.ts'

/** Freed places at the front are cut off when there are this many and they are more than half of all. */
const COMPACT_AT = 64

/** A list that grows at its end and shrinks at its beginning, each at no cost to speak of. */
export class Fifo<T> {
  #items: Array<T | undefined> = []
  #first = 0

  get length (): number {
    return this.#items.length - this.#first
  }

  get first (): T | undefined {
    return this.#items[this.#first]
  }

  at (index: number): T | undefined {
    return this.#items[this.#first + index]
  }

  push (item: T): void {
    this.#items.push(item)
  }

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

  /** Takes one out of the middle; costs as much as there are behind it. */
  removeAt (index: number): void {
    if (index === 0) this.shift()
    else this.#items.splice(this.#first + index, 1)
  }

  /** The index of the first for which `isBehind` holds, in a list where it holds for all that follow as well. */
  search (isBehind: (item: T) => boolean): number {
    return firstIndex(this.#items, isBehind, this.#first) - this.#first
  }

  clear (): void {
    this.#items = []
    this.#first = 0
  }
}
