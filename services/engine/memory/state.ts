import type { Lifetime } from '../lifetime.ts'
import type { State, StateEntry, StateKey, StateListener } from '../state.ts'
import { encodeKey } from '../local/state/state-key.ts'
import { Values, type ValueBounds } from '../local/state/values.ts'

/** The state beside the log, in the memory of this process. */
export class MemoryState implements State {
  readonly #now: () => number
  readonly #lifetime: Lifetime
  readonly #values: Values

  /** @param now The time in ms since the epoch. */
  constructor (now: () => number, lifetime: Lifetime, bounds: ValueBounds = {}) {
    this.#now = now
    this.#lifetime = lifetime
    this.#values = new Values(now, bounds)
  }

  async get (key: StateKey): Promise<unknown> {
    this.#lifetime.assertOpen()
    return this.#values.read(encodeKey(key))
  }

  async update<T> (key: StateKey, change: (present: unknown) => T | undefined, ttlMs: number): Promise<T | undefined> {
    this.#lifetime.assertOpen()
    this.#values.evictExpired()
    const text = encodeKey(key)
    const value = change(change.length === 0 ? undefined : this.#values.read(text))
    this.#values.set(text, value === undefined ? null : { json: JSON.stringify(value), until: this.#now() + ttlMs })
    return value
  }

  async list (parent: StateKey, limit: number): Promise<StateEntry[]> {
    this.#lifetime.assertOpen()
    return this.#values.list(parent, limit)
  }

  async watch (parent: StateKey, listener: StateListener): Promise<() => void> {
    this.#lifetime.assertOpen()
    return this.#values.watch(parent, listener)
  }

  async close (): Promise<void> {
    this.#values.clear()
  }
}
