/**
 * A Map that holds at most `max` entries. Setting a further key evicts the oldest entry, in insertion order; setting a
 * present key replaces the value and keeps the entry's position in that order.
 */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #max: number

  /** `max`: entries, 1 or more. */
  constructor (max: number) {
    super()
    this.#max = max
  }

  override set (key: K, value: V): this {
    super.set(key, value)
    if (this.size > this.#max) this.#evictOldest()
    return this
  }

  #evictOldest (): void {
    for (const oldest of this.keys()) {
      this.delete(oldest)
      return
    }
  }
}
