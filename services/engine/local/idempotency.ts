import type { Offset } from '../../model/message.ts'
import { Fifo } from './collections/fifo.ts'

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

/** Bounds of the records: over a bound, the oldest record is evicted. */
export interface IdempotencyBounds {
  /**
   * Records at most.
   * @default 1000000
   */
  readonly records?: number
  /**
   * Characters of all keys at most.
   * @default 134217728 (128 Mi)
   */
  readonly characters?: number
}

/** Idempotency records by key, each until the end of its window. */
export class IdempotencyRecords {
  readonly #records = new Map<string, IdempotencyRecord>()
  /** All entries in insertion order, and so in the order of their ends; replaced ones included. */
  readonly #order = new Fifo<Entry>()
  readonly #maxRecords: number
  readonly #maxCharacters: number
  /** Characters of the keys of all entries. */
  #characters = 0

  constructor ({ records = 1_000_000, characters = 128 * 1024 ** 2 }: IdempotencyBounds = {}) {
    this.#maxRecords = records
    this.#maxCharacters = characters
  }

  /** The record of a key within the window of this length in ms. */
  find (key: string, now: number, windowMs: number): IdempotencyRecord | undefined {
    const record = this.#records.get(key)
    return record !== undefined && !hasEnded(record, now, windowMs) ? record : undefined
  }

  /** Adds the record of a key. Records must be added in the order of their ends. */
  add (key: string, record: IdempotencyRecord): void {
    this.#records.set(key, record)
    this.#order.push({ key, record })
    this.#characters += key.length
    while (this.#order.length > this.#maxRecords || this.#characters > this.#maxCharacters) this.#shift()
  }

  /** Removes the records whose window has ended. */
  evictExpired (now: number, windowMs: number): void {
    for (let first = this.#order.first; first !== undefined; first = this.#order.first) {
      if (!hasEnded(first.record, now, windowMs)) return
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
    this.#characters = 0
  }

  #shift (): void {
    const first = this.#order.shift()
    if (first === undefined) return
    this.#characters -= first.key.length
    if (!this.#isStale(first)) this.#records.delete(first.key)
  }

  /** Whether the record was replaced. */
  #isStale ({ key, record }: Entry): boolean {
    return this.#records.get(key) !== record
  }
}

/**
 * Whether the window of a record has ended. A record from more than a window ahead is one of a clock that was wrong: it
 * would last until the clock gets there.
 */
function hasEnded ({ until }: IdempotencyRecord, now: number, windowMs: number): boolean {
  return until <= now || until > now + 2 * windowMs
}
