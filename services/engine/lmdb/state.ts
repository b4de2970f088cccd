import { HubError } from '../../model/errors.ts'
import { MAX_LISTED, type State, type StateEntry, type StateKey, type StateListener } from '../state.ts'
import { decodeKey, encodeKey, encodeParent } from '../local/state/state-key.ts'
import { Watchers } from '../local/state/watchers.ts'
import type { NewValue } from './batch.ts'
import { decodeText, encodeText } from '../local/text.ts'
import { keyOf, MAX_TEXT_BYTES, numberAt } from './layout.ts'
import type { LmdbFile } from './file.ts'
import type { Writer } from './writer.ts'

type Value = NonNullable<NewValue>

/** Collaborators of the state. */
export interface LmdbStateOptions {
  readonly store: LmdbFile
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
  readonly #watchers: Watchers

  constructor (options: LmdbStateOptions) {
    this.#options = options
    this.#watchers = new Watchers(options.now)
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
    this.#watchers.changed(key, value)
    try {
      await writer.run((batch) => batch.set(bytes, value))
    } catch (error) {
      // The writer refuses all later updates in its queue together with this update.
      if (this.#waiting.delete(key)) this.#revert(key, bytes)
      throw error
    }
    if (this.#waiting.get(key) === waiting) this.#waiting.delete(key)
    return changed
  }

  async list (parent: StateKey, limit: number): Promise<StateEntry[]> {
    const prefix = encodeParent(parent)
    const found = this.#options.using(() => this.#list(prefix, toBytes(prefix), Math.min(limit, MAX_LISTED)))
    return found.map(({ key, json }) => ({ key: decodeKey(key), value: JSON.parse(json) as unknown }))
  }

  async watch (parent: StateKey, listener: StateListener): Promise<() => void> {
    const prefix = encodeParent(parent)
    const found = this.#options.using(() => this.#list(prefix, toBytes(prefix), Infinity))
    return this.#watchers.add(prefix, listener, found.map(({ key, ...value }) => ({ text: key, ...value })))
  }

  async close (): Promise<void> {
    this.#watchers.close()
  }

  #list (prefix: string, bytes: Buffer, limit: number): Array<Value & { readonly key: string }> {
    const start = keyOf('value', bytes)
    const found = new Map<string, Value>()
    for (const { key: stored, value } of this.#options.store.entries({ start, end: Buffer.concat([start, LAST]) })) {
      if (found.size >= limit) break
      const key = decodeText(stored.subarray(1))
      const decoded = decode(value)
      if (!this.#waiting.has(key) && this.#isAlive(decoded.until)) found.set(key, decoded)
    }
    for (const [key, { value }] of this.#waiting) {
      if (key.startsWith(prefix) && value !== null && this.#isAlive(value.until)) found.set(key, value)
    }
    const inOrder = [...found].map(([key, value]) => ({ key, ...value })).sort((a, b) => Buffer.compare(encodeText(a.key), encodeText(b.key)))
    return inOrder.slice(0, limit)
  }

  #read (key: string, bytes: Buffer): unknown {
    const waiting = this.#waiting.get(key)
    const value = waiting === undefined ? this.#stored(bytes) : waiting.value
    return value !== null && this.#isAlive(value.until) ? JSON.parse(value.json) : undefined
  }

  /** Reports the value on the disk to the watches, after a failed write. */
  #revert (key: string, bytes: Buffer): void {
    try {
      this.#watchers.changed(key, this.#options.using(() => this.#stored(bytes)))
    } catch {
      // The state is closed or unreadable: the watches have ended, or their next read reports the damage.
    }
  }

  /** Returns the value on the disk. */
  #stored (bytes: Buffer): NewValue {
    const value = this.#options.store.get(keyOf('value', bytes))
    return value === undefined ? null : decode(value)
  }

  #isAlive (until: number): boolean {
    return until > this.#options.now()
  }
}

/** A byte greater than any byte of a text. */
const LAST = Buffer.of(0xff)

function decode (value: Buffer): Value {
  return { json: value.toString('utf8', 8), until: numberAt(value, 0) }
}

function toBytes (key: string): Buffer {
  const bytes = encodeText(key)
  if (bytes.length > MAX_TEXT_BYTES) throw new HubError('HUB_REQUEST_INVALID', `A key of the state may have ${MAX_TEXT_BYTES} bytes; this one has ${bytes.length}.`)
  return bytes
}
