/** A binary heap: a priority queue whose first item is the item with the lowest rank. */
export class Heap<T> {
  readonly #rank: (item: T) => number
  #items: T[] = []

  /** @param rank The rank of an item. Only the first item may change its rank, followed by `settleFirst`. */
  constructor (rank: (item: T) => number) {
    this.#rank = rank
  }

  get length (): number {
    return this.#items.length
  }

  get first (): T | undefined {
    return this.#items[0]
  }

  push (item: T): void {
    this.#items.push(item)
    for (let at = this.#items.length - 1; at > 0 && this.#swapUnlessOrdered((at - 1) >>> 1, at);) at = (at - 1) >>> 1
  }

  /** Removes and returns the first item. */
  shift (): T | undefined {
    const [first] = this.#items
    const last = this.#items.pop()
    if (last !== undefined && this.#items.length > 0) {
      this.#items[0] = last
      this.settleFirst()
    }
    return first
  }

  /** Restores the order after the rank of the first item has grown. */
  settleFirst (): void {
    for (let at = 0; ;) {
      const left = 2 * at + 1
      const lesser = this.#rankAt(left + 1) < this.#rankAt(left) ? left + 1 : left
      if (!this.#swapUnlessOrdered(at, lesser)) return
      at = lesser
    }
  }

  /** Removes the items for which `isKept` does not hold. */
  retain (isKept: (item: T) => boolean): void {
    // A sorted array is a valid heap.
    this.#items = this.#items.filter(isKept).sort((a, b) => this.#rank(a) - this.#rank(b))
  }

  clear (): void {
    this.#items = []
  }

  /** Swaps a parent with a child of lower rank; returns whether the two were swapped. */
  #swapUnlessOrdered (above: number, below: number): boolean {
    const [upper, lower] = [this.#items[above], this.#items[below]]
    if (upper === undefined || lower === undefined || this.#rank(upper) <= this.#rank(lower)) return false
    this.#items[above] = lower
    this.#items[below] = upper
    return true
  }

  #rankAt (index: number): number {
    const item = this.#items[index]
    return item === undefined ? Infinity : this.#rank(item)
  }
}
