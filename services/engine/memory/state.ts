import type { Lifetime } from '../lifetime.ts'
import { MAX_LISTED, type State, type StateEntry, type StateKey, type StateListener } from '../state.ts'
import { ExpiryQueue } from '../local/expiry-queue.ts'
import { firstIndex } from '../local/first-index.ts'
import { decodeKey, encodeKey, encodeParent } from '../local/state-key.ts'
import { Watchers } from '../local/watchers.ts'

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
  readonly #lifetime: Lifetime
  readonly #max: number
  readonly #values = new Map<string, Value>()
  /** All keys, sorted, for `list`. */
  readonly #keys: string[] = []
  readonly #expiries = new ExpiryQueue<string>((key, at) => this.#values.get(key)?.until === at)
  readonly #watchers: Watchers

  /**
   * @param now The time in ms since the epoch.
   * @param max Values at most.
   */
  constructor (now: () => number, lifetime: Lifetime, max = MAX_VALUES) {
    this.#now = now
    this.#lifetime = lifetime
    this.#max = max
    this.#watchers = new Watchers(now)
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

  async list (parent: StateKey, limit: number): Promise<StateEntry[]> {
    this.#evictExpired()
    const found: StateEntry[] = []
    for (const text of this.#below(encodeParent(parent))) {
      if (found.length >= Math.min(limit, MAX_LISTED)) break
      found.push({ key: decodeKey(text), value: this.#read(text) })
    }
    return found
  }

  async watch (parent: StateKey, listener: StateListener): Promise<() => void> {
    this.#evictExpired()
    const prefix = encodeParent(parent)
    const present = [...this.#below(prefix)].flatMap((text) => {
      const value = this.#values.get(text)
      return value === undefined ? [] : [{ text, ...value }]
    })
    return this.#watchers.add(prefix, listener, present)
  }

  async close (): Promise<void> {
    this.#watchers.close()
    this.#values.clear()
    this.#keys.length = 0
    this.#expiries.clear()
  }

  /** Yields the texts of the keys that begin with a prefix, in order. */
  * #below (prefix: string): Generator<string, void> {
    for (let at = this.#indexOf(prefix); ; at++) {
      const text = this.#keys[at]
      if (text?.startsWith(prefix) !== true) return
      yield text
    }
  }

  #evictExpired (): void {
    this.#lifetime.assertOpen()
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
    this.#watchers.changed(key, value)
    if (this.#values.size <= this.#max) return
    for (const first of this.#expiries.take(Infinity)) {
      this.#delete(first)
      return
    }
  }

  #delete (key: string): void {
    if (!this.#values.delete(key)) return
    this.#keys.splice(this.#indexOf(key), 1)
    this.#watchers.changed(key, null)
  }

  /** The index of the first key at or after this one. */
  #indexOf (key: string): number {
    return firstIndex(this.#keys, (one) => one >= key)
  }
}
