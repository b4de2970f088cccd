import type { State, StateKey } from '../engine.ts'
import { ExpiryQueue } from '../local/expiry-queue.ts'
import { firstIndex } from '../local/first-index.ts'
import { decodeKey, encodeKey, encodeParent } from '../local/state-key.ts'

interface Value {
  /** The value as JSON, so that every caller gets a copy of its own. */
  readonly json: string
  /** Expiry in ms since the epoch. */
  readonly until: number
}

/** Values at most: beyond them, the value that expires first is evicted. */
const MAX_VALUES = 1_000_000

/** The state beside the log, in the memory of this process. */
export class MemoryState implements State {
  readonly #now: () => number
  readonly #assertOpen: () => void
  readonly #max: number
  readonly #values = new Map<string, Value>()
  /** All keys, sorted, for `list`. */
  readonly #keys: string[] = []
  readonly #expiries = new ExpiryQueue<string>((key, at) => this.#values.get(key)?.until === at)

  /**
   * @param now The time in ms since the epoch.
   * @param assertOpen Throws when the engine is closed.
   * @param max Values at most.
   */
  constructor (now: () => number, assertOpen: () => void, max = MAX_VALUES) {
    this.#now = now
    this.#assertOpen = assertOpen
    this.#max = max
  }

  async get (key: StateKey): Promise<unknown> {
    this.#evictExpired()
    return this.#read(encodeKey(key))
  }

  async update<T> (key: StateKey, change: (present: unknown) => T | undefined, ttlMs: number): Promise<T | undefined> {
    this.#evictExpired()
    const text = encodeKey(key)
    const value = change(this.#read(text))
    if (value === undefined) this.#delete(text)
    else this.#set(text, { json: JSON.stringify(value), until: this.#now() + ttlMs })
    return value
  }

  async list (parent: StateKey, limit: number): Promise<Array<{ readonly key: StateKey, readonly value: unknown }>> {
    this.#evictExpired()
    const prefix = encodeParent(parent)
    const found = []
    for (let at = this.#indexOf(prefix); found.length < limit; at++) {
      const key = this.#keys[at]
      if (key?.startsWith(prefix) !== true) break
      found.push({ key: decodeKey(key), value: this.#read(key) })
    }
    return found
  }

  clear (): void {
    this.#values.clear()
    this.#keys.length = 0
    this.#expiries.clear()
  }

  #evictExpired (): void {
    this.#assertOpen()
    for (const key of this.#expiries.take(this.#now())) this.#delete(key)
  }

  #read (key: string): unknown {
    const value = this.#values.get(key)
    return value === undefined ? undefined : JSON.parse(value.json)
  }

  #set (key: string, value: Value): void {
    if (!this.#values.has(key)) this.#keys.splice(this.#indexOf(key), 0, key)
    this.#values.set(key, value)
    this.#expiries.add(key, value.until)
    if (this.#values.size <= this.#max) return
    for (const first of this.#expiries.take(Infinity)) {
      this.#delete(first)
      return
    }
  }

  #delete (key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.#indexOf(key), 1)
  }

  /** The index of the first key at or after this one. */
  #indexOf (key: string): number {
    return firstIndex(this.#keys, (one) => one >= key)
  }
}
