import { ExpiryQueue } from '../local/expiry-queue.ts'
import type { State } from '../engine.ts'
import { firstIndex } from '../local/first-index.ts'

interface Value {
  /** JSON: whoever is given a value may change it. */
  readonly text: string
  /** In ms since the epoch. */
  readonly until: number
}

/** Values that are kept at most: beyond them, the one that ends first goes. */
const MAX_VALUES = 1_000_000

/** The little state beside the log, in this process's memory. */
export class MemoryState implements State {
  readonly #now: () => number
  readonly #assertOpen: () => void
  readonly #max: number
  readonly #values = new Map<string, Value>()
  /** All keys, in order. */
  readonly #keys: string[] = []
  readonly #ends = new ExpiryQueue<string>((key, at) => this.#values.get(key)?.until === at)

  /** `assertOpen` throws when the engine is closed. */
  constructor (now: () => number, assertOpen: () => void, max = MAX_VALUES) {
    this.#now = now
    this.#assertOpen = assertOpen
    this.#max = max
  }

  async get (key: string): Promise<unknown> {
    this.#sweep()
    return this.#read(key)
  }

  async update<T> (key: string, change: (present: unknown) => T | undefined, ttlMs: number): Promise<T | undefined> {
    this.#sweep()
    const value = change(this.#read(key))
    if (value === undefined) this.#delete(key)
    else this.#set(key, { text: JSON.stringify(value), until: this.#now() + ttlMs })
    return value
  }

  async list (prefix: string, limit: number): Promise<Array<{ readonly key: string, readonly value: unknown }>> {
    this.#sweep()
    const found = []
    for (let at = this.#indexOf(prefix); found.length < limit; at++) {
      const key = this.#keys[at]
      if (key?.startsWith(prefix) !== true) break
      found.push({ key, value: this.#read(key) })
    }
    return found
  }

  clear (): void {
    this.#values.clear()
    this.#keys.length = 0
    this.#ends.clear()
  }

  #sweep (): void {
    this.#assertOpen()
    for (const key of this.#ends.take(this.#now())) this.#delete(key)
  }

  #read (key: string): unknown {
    const value = this.#values.get(key)
    return value === undefined ? undefined : JSON.parse(value.text)
  }

  #set (key: string, value: Value): void {
    if (!this.#values.has(key)) this.#keys.splice(this.#indexOf(key), 0, key)
    this.#values.set(key, value)
    this.#ends.add(key, value.until)
    if (this.#values.size <= this.#max) return
    for (const first of this.#ends.take(Infinity)) {
      this.#delete(first)
      return
    }
  }

  #delete (key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.#indexOf(key), 1)
  }

  /** The index of the first key that is not before this one. */
  #indexOf (key: string): number {
    return firstIndex(this.#keys, (one) => one >= key)
  }
}
