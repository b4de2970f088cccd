import { HubError } from '../../model/errors.ts'
import type { Lifetime } from '../lifetime.ts'
import type { State, StateEntry, StateKey, StateListener } from '../state.ts'
import { encodeKey } from '../local/state/state-key.ts'
import type { Value, Values } from '../local/state/values.ts'
import { encodeValue } from './codec.ts'
import type { Journal } from './journal/journal.ts'

/** A key with updates in flight. */
interface Pending {
  /** The value on the disk. */
  durable: Value | null
  /** Updates in flight. */
  count: number
}

/**
 * The state beside the log: in memory, with every change in the journal. A new value is visible at once, before it is
 * on the disk. A failed write rejects its update and all later updates that derive from it; reads then return the value
 * on the disk again.
 */
export class FileState implements State {
  readonly #values: Values
  readonly #journal: Journal
  readonly #lifetime: Lifetime
  readonly #now: () => number
  readonly #pending = new Map<string, Pending>()

  /** @param now The time in ms since the epoch. */
  constructor (values: Values, journal: Journal, lifetime: Lifetime, now: () => number) {
    this.#values = values
    this.#journal = journal
    this.#lifetime = lifetime
    this.#now = now
  }

  async get (key: StateKey): Promise<unknown> {
    this.#lifetime.assertOpen()
    return this.#values.read(encodeKey(key))
  }

  async update<T> (key: StateKey, change: (present: unknown) => T | undefined, ttlMs: number): Promise<T | undefined> {
    this.#lifetime.assertOpen()
    this.#values.evictExpired()
    const text = encodeKey(key)
    const present = this.#values.get(text) ?? null
    const changed = change(present === null || change.length === 0 ? undefined : JSON.parse(present.json))
    if (changed === undefined && present === null && !this.#pending.has(text)) return undefined
    const value = changed === undefined ? null : { json: JSON.stringify(changed), until: this.#now() + ttlMs }
    await this.#store(text, present, value)
    return changed
  }

  async list (parent: StateKey, limit: number): Promise<StateEntry[]> {
    this.#lifetime.assertOpen()
    return this.#values.list(parent, limit)
  }

  async watch (parent: StateKey, listener: StateListener): Promise<() => void> {
    this.#lifetime.assertOpen()
    return this.#values.watch(parent, listener)
  }

  /** Ends all watches. The values stay, because the journal may still write some of them. */
  async close (): Promise<void> {
    this.#values.endWatches()
  }

  /** Yields the values on the disk, for a checkpoint: an update in flight is in the journal behind, or is refused. */
  * durable (): Generator<readonly [text: string, value: Value], void> {
    for (const [text, value] of this.#values.entries()) {
      const pending = this.#pending.get(text)
      if (pending === undefined) yield [text, value]
      else if (pending.durable !== null) yield [text, pending.durable]
    }
    // Removals in flight, all at one moment: a removal that fails later puts its value back behind the loop above.
    const removals = [...this.#pending].filter(([text]) => this.#values.get(text) === undefined)
    for (const [text, { durable }] of removals) if (durable !== null) yield [text, durable]
  }

  /** Sets a value and writes it. Takes it back when the write fails. */
  async #store (text: string, present: Value | null, value: Value | null): Promise<void> {
    const pending = this.#pending.get(text) ?? { durable: present, count: 0 }
    this.#pending.set(text, pending)
    pending.count++
    this.#values.set(text, value)
    const group = this.#journal.push({ bytes: encodeValue(text, value), offset: 0 })
    const isWritten = group !== null && await group.written
    pending.count--
    if (pending.count === 0) this.#pending.delete(text)
    if (isWritten) {
      pending.durable = value
      return
    }
    // The journal refuses all later updates in its queue together with this one.
    this.#values.set(text, pending.durable)
    const sentence = this.#journal.problem ?? 'The hub was closed before this was stored.'
    throw new HubError('HUB_STORE_FAILED', sentence, { retryAfter: 1 })
  }
}
