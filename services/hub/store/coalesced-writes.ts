import type { Engine } from '../../engine/engine.ts'
import { reportFailure, type Log } from '../../lib/log.ts'

/** The writes of one key: the write in progress, and the newest value that was put since the write began. */
interface PendingWrites<V> {
  readonly current: Promise<void>
  newest: V
  next: Promise<void> | null
}

/**
 * Writes values by key, at most one write per key at a time. While a write is in progress, a later value of the same
 * key is queued and replaces an older queued value, so a key that changes often costs one write per round trip to the
 * store.
 *
 * A failed write is logged with the sentence `failure`. While the engine reports a problem, failures are not logged:
 * the problem is in the log already.
 */
export class CoalescedWrites<K, V> {
  readonly #engine: Engine
  readonly #log: Log
  readonly #failure: string
  readonly #write: (key: K, value: V) => Promise<void>
  readonly #pending = new Map<K, PendingWrites<V>>()

  constructor (engine: Engine, log: Log, failure: string, write: (key: K, value: V) => Promise<void>) {
    this.#engine = engine
    this.#log = log
    this.#failure = failure
    this.#write = write
  }

  /** Writes a value. Resolves when this value, or a newer value of the key, is written or has failed; never rejects. */
  put (key: K, value: V): Promise<void> {
    const pending = this.#pending.get(key)
    if (pending === undefined) return this.#begin(key, value)
    pending.newest = value
    pending.next ??= pending.current.then(() => this.#begin(key, pending.newest))
    return pending.next
  }

  /** The newest value of a key that is being written or queued; undefined when every value of the key is written. */
  newest (key: K): V | undefined {
    return this.#pending.get(key)?.newest
  }

  /** Resolves when the value of a key that is queued now is written. */
  async settled (key: K): Promise<void> {
    await this.#pending.get(key)?.next
  }

  /** Resolves when all values are written. */
  async idle (): Promise<void> {
    while (this.#pending.size > 0) {
      await Promise.all([...this.#pending.values()].map(({ current, next }) => next ?? current))
    }
  }

  #begin (key: K, value: V): Promise<void> {
    const current = this.#writeSafely(key, value)
    this.#pending.set(key, { current, newest: value, next: null })
    return current
  }

  async #writeSafely (key: K, value: V): Promise<void> {
    try {
      await this.#write(key, value)
    } catch (error) {
      if (this.#engine.problem === null) reportFailure(this.#log, error, {}, this.#failure)
    }
    if (this.#pending.get(key)?.next === null) this.#pending.delete(key)
  }
}
