import type { Engine } from '../../engine/engine.ts'
import { reportFailure, type Log } from '../../lib/log.ts'

/** Time in ms after which a value of `putSoon` is written. */
const SOON_MS = 1000
/** Values of `putSoon` that are written in one turn of the event loop. */
const SOON_BATCH = 100

/** The writes of one key: the write in progress, and the newest value that was put since the write began. */
interface PendingWrites<V> {
  /** Whether the value was written. */
  readonly current: Promise<boolean>
  newest: V
  next: Promise<boolean> | null
}

/**
 * Writes values by key, at most one write per key at a time. While a write is in progress, a later value of the same
 * key is queued and replaces an older queued value, so a key that changes often costs one write per round trip to the
 * store; with `putSoon`, one write per second.
 *
 * A failed write is logged with the sentence `failure`. While the engine reports a problem, failures are not logged:
 * the problem is in the log already.
 */
export class CoalescedWrites<K, V> {
  readonly #engine: Engine
  readonly #log: Log
  readonly #failure: string
  readonly #write: (key: K, value: V) => Promise<unknown>
  readonly #pending = new Map<K, PendingWrites<V>>()
  /** Values that the timer writes. */
  readonly #soon = new Map<K, V>()
  #timer: NodeJS.Timeout | null = null

  constructor (engine: Engine, log: Log, failure: string, write: (key: K, value: V) => Promise<unknown>) {
    this.#engine = engine
    this.#log = log
    this.#failure = failure
    this.#write = write
  }

  /**
   * Writes a value. Resolves, when this value or a newer value of the key is written or has failed, with whether it is
   * written; never rejects.
   */
  put (key: K, value: V): Promise<boolean> {
    this.#soon.delete(key)
    const pending = this.#pending.get(key)
    if (pending === undefined) return this.#begin(key, value)
    pending.newest = value
    pending.next ??= pending.current.then(() => this.#begin(key, pending.newest))
    return pending.next
  }

  /** Writes a value within a second, unless a newer value of the key is put before. */
  putSoon (key: K, value: V): void {
    this.#soon.set(key, value)
    this.#timer ??= setTimeout(this.#putBatch, SOON_MS).unref()
  }

  /** The newest value of a key that is being written or queued; undefined when every value of the key is written. */
  newest (key: K): V | undefined {
    return this.#soon.get(key) ?? this.#pending.get(key)?.newest
  }

  /** Resolves when the newest value of a key is written or has failed, with false for a failure. */
  async settled (key: K): Promise<boolean> {
    const pending = this.#pending.get(key)
    return await (pending?.next ?? pending?.current) ?? true
  }

  /** Resolves when all values are written. */
  async idle (): Promise<void> {
    for (const [key, value] of this.#soon) void this.put(key, value)
    while (this.#pending.size > 0) {
      await Promise.all([...this.#pending.values()].map(({ current, next }) => next ?? current))
    }
  }

  readonly #putBatch = (): void => {
    let left = SOON_BATCH
    for (const [key, value] of this.#soon) {
      if (left-- === 0) break
      void this.put(key, value)
    }
    this.#timer = this.#soon.size === 0 ? null : setTimeout(this.#putBatch, 1).unref()
  }

  #begin (key: K, value: V): Promise<boolean> {
    const current = this.#writeSafely(key, value)
    this.#pending.set(key, { current, newest: value, next: null })
    return current
  }

  async #writeSafely (key: K, value: V): Promise<boolean> {
    let isWritten = true
    try {
      await this.#write(key, value)
    } catch (error) {
      isWritten = false
      if (this.#engine.problem === null) reportFailure(this.#log, error, {}, this.#failure)
    }
    if (this.#pending.get(key)?.next === null) this.#pending.delete(key)
    return isWritten
  }
}
