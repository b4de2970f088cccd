import { HubError } from '../../model/errors.ts'
import type { State, StateKey } from '../engine.ts'
import { decodeKey, encodeKey, encodeParent } from '../local/state-key.ts'
import type { NewValue } from './batch.ts'
import { decodeText, encodeText, keyOf, MAX_TEXT_BYTES, numberAt } from './layout.ts'
import type { LmdbStore } from './store.ts'
import type { Writer } from './writer.ts'

/** Collaborators of the state. */
export interface LmdbStateOptions {
  readonly store: LmdbStore
  readonly writer: Writer
  readonly now: () => number
  /** Runs a read of the store; throws when the engine is closed, or the store is unreadable. */
  readonly using: <T> (read: () => T) => T
}

/**
 * The small state beside the log. A new value is visible at once, before it is on the disk. A failed write rejects its
 * update and all later updates that derive from it; reads then return the value on the disk again.
 */
export class LmdbState implements State {
  readonly #options: LmdbStateOptions
  /** Values in flight; a null value is a removal. */
  readonly #waiting = new Map<string, { readonly value: NewValue }>()

  constructor (options: LmdbStateOptions) {
    this.#options = options
  }

  async get (parts: StateKey): Promise<unknown> {
    const key = encodeKey(parts)
    const bytes = toBytes(key)
    return this.#options.using(() => this.#read(key, bytes))
  }

  async update<T> (parts: StateKey, change: (present: unknown) => T | undefined, ttlMs: number): Promise<T | undefined> {
    const { using, now, writer } = this.#options
    const key = encodeKey(parts)
    const bytes = toBytes(key)
    const changed = change(using(() => this.#read(key, bytes)))
    const value = changed === undefined ? null : { json: JSON.stringify(changed), until: now() + ttlMs }
    const waiting = { value }
    this.#waiting.set(key, waiting)
    try {
      await writer.run((batch) => batch.set(bytes, value))
    } catch (error) {
      // The writer refuses all later updates in its queue together with this update.
      this.#waiting.delete(key)
      throw error
    }
    if (this.#waiting.get(key) === waiting) this.#waiting.delete(key)
    return changed
  }

  async list (parent: StateKey, limit: number): Promise<Array<{ readonly key: StateKey, readonly value: unknown }>> {
    const prefix = encodeParent(parent)
    const bytes = toBytes(prefix)
    const found = this.#options.using(() => this.#list(prefix, bytes, limit))
    return found.map(({ key, value }) => ({ key: decodeKey(key), value }))
  }

  #list (prefix: string, bytes: Buffer, limit: number): Array<{ readonly key: string, readonly value: unknown }> {
    const start = keyOf('value', bytes)
    const found = new Map<string, unknown>()
    for (const { key: stored, value } of this.#options.store.entries({ start, end: Buffer.concat([start, LAST]) })) {
      if (found.size >= limit) break
      const key = decodeText(stored.subarray(1))
      if (!this.#waiting.has(key) && this.#isAlive(numberAt(value, 0))) found.set(key, parse(value))
    }
    for (const [key, { value }] of this.#waiting) {
      if (key.startsWith(prefix) && value !== null && this.#isAlive(value.until)) found.set(key, JSON.parse(value.json))
    }
    const inOrder = [...found].map(([key, value]) => ({ key, value })).sort((a, b) => Buffer.compare(encodeText(a.key), encodeText(b.key)))
    return inOrder.slice(0, limit)
  }

  #read (key: string, bytes: Buffer): unknown {
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) return waiting.value !== null && this.#isAlive(waiting.value.until) ? JSON.parse(waiting.value.json) : undefined
    const value = this.#options.store.get(keyOf('value', bytes))
    return value !== undefined && this.#isAlive(numberAt(value, 0)) ? parse(value) : undefined
  }

  #isAlive (until: number): boolean {
    return until > this.#options.now()
  }
}

/** A byte greater than any byte of a text. */
const LAST = Buffer.of(0xff)

function parse (value: Buffer): unknown {
  return JSON.parse(value.toString('utf8', 8))
}

function toBytes (key: string): Buffer {
  const bytes = encodeText(key)
  if (bytes.length > MAX_TEXT_BYTES) throw new HubError('HUB_REQUEST_INVALID', `A key of the state may have ${MAX_TEXT_BYTES} bytes; this one has ${bytes.length}.`)
  return bytes
}
