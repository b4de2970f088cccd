import type { Offset } from '../../model/message.ts'
import { Fifo } from './collections/fifo.ts'
import { MAX_KEYS } from './retention.ts'

/** The result of the first append with an idempotency key. */
export interface IdempotencyRecord {
  /** Offset of the message. */
  readonly offset: Offset
  /** Digest of the draft: distinguishes a repetition from another message under the same key. */
  readonly digest: Buffer
  /** End of the idempotency window, in ms since the epoch. */
  readonly until: number
  /** Whether the log holds the message; a promise while the write is in flight. */
  readonly stored: boolean | Promise<boolean>
}

interface Entry {
  readonly key: string
  readonly record: IdempotencyRecord
}

/** Idempotency records by key, each until the end of its window; over the maximum the oldest record is evicted. */
export class IdempotencyRecords {
  readonly #records = new Map<string, IdempotencyRecord>()
  /** All entries in insertion order, and so in the order of their ends; stale ones included. */
  readonly #order = new Fifo<Entry>()
  readonly #max: number

  /** `max`: records at most. */
  constructor (max = MAX_KEYS) {
    this.#max = max
  }

  /** The record of a key within the window. */
  find (key: string, now: number): IdempotencyRecord | undefined {
    const record = this.#records.get(key)
    return record !== undefined && record.until > now ? record : undefined
  }

  /** Adds the record of a key. Records must be added in the order of their ends. */
  add (key: string, record: IdempotencyRecord): void {
    this.#records.set(key, record)
    this.#order.push({ key, record })
    if (this.#order.length > this.#max) this.#shift()
  }

  /** Removes the record of a key before its end. */
  remove (key: string): void {
    this.#records.delete(key)
    // Stale entries at the front of the order would hold memory until their end.
    for (let first = this.#order.first; first !== undefined && this.#isStale(first); first = this.#order.first) {
      this.#shift()
    }
  }

  /** Removes the records whose window has ended. */
  evictExpired (now: number): void {
    for (let first = this.#order.first; first !== undefined && first.record.until <= now; first = this.#order.first) {
      this.#shift()
    }
  }

  /** All records, with those whose window has ended since the last call of `evictExpired`. */
  entries (): IterableIterator<[key: string, record: IdempotencyRecord]> {
    return this.#records.entries()
  }

  clear (): void {
    this.#records.clear()
    this.#order.clear()
  }

  #shift (): void {
    const first = this.#order.shift()
    if (first !== undefined && !this.#isStale(first)) this.#records.delete(first.key)
  }

  /** Whether the record was removed or replaced. */
  #isStale ({ key, record }: Entry): boolean {
    return this.#records.get(key) !== record
  }
}
