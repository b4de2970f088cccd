/** What the writes are made with. */
export interface CoalescedWritesOptions<K, V> {
  readonly write: (key: K, value: V) => Promise<void>
  /** A value could not be written. Must not throw. */
  readonly onFailure: (error: unknown) => void
}

/** A value on its way, and the write of the newest that has come since. */
interface Writing<V> {
  readonly now: Promise<void>
  newest: V
  next: Promise<void> | null
}

/** Writes values down at once; while one is on its way, of the later ones of its key only the newest waits. */
export class CoalescedWrites<K, V> {
  readonly #options: CoalescedWritesOptions<K, V>
  readonly #writing = new Map<K, Writing<V>>()

  constructor (options: CoalescedWritesOptions<K, V>) {
    this.#options = options
  }

  /** Resolves when this value, or a newer one in its place, is written or cannot be; never rejects. */
  put (key: K, value: V): Promise<void> {
    const writing = this.#writing.get(key)
    if (writing === undefined) return this.#begin(key, value)
    writing.newest = value
    writing.next ??= writing.now.then(() => this.#begin(key, writing.newest))
    return writing.next
  }

  /** The newest value of a key that is being written or waits for it. */
  newest (key: K): V | undefined {
    return this.#writing.get(key)?.newest
  }

  /** Resolves when the value of a key that waits by now is written. */
  async settled (key: K): Promise<void> {
    await this.#writing.get(key)?.next
  }

  /** Resolves when nothing is being written. */
  async idle (): Promise<void> {
    while (this.#writing.size > 0) await Promise.all([...this.#writing.values()].map(({ now, next }) => next ?? now))
  }

  #begin (key: K, value: V): Promise<void> {
    const now = this.#write(key, value)
    this.#writing.set(key, { now, newest: value, next: null })
    return now
  }

  async #write (key: K, value: V): Promise<void> {
    try {
      await this.#options.write(key, value)
    } catch (error) {
      this.#options.onFailure(error)
    }
    if (this.#writing.get(key)?.next === null) this.#writing.delete(key)
  }
}
