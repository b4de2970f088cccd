import { createHash } from 'node:crypto'
import { IdempotencyRecords, type IdempotencyRecord } from '../local/idempotency.ts'
import type { Batch, NewUse } from './batch.ts'
import { keyOf, numberAt } from './layout.ts'
import type { LmdbFile } from './file.ts'

/** The position of the digest in the value of an idempotency record. */
const DIGEST_AT = 24
const KEY_BYTES = 20

/**
 * Idempotency records. A record stays in memory until it is in the store; a record that could not be stored stays in
 * memory until its expiry.
 */
export class LmdbKeys {
  readonly #store: LmdbFile
  readonly #waiting = new IdempotencyRecords()

  constructor (store: LmdbFile) {
    this.#store = store
  }

  find (key: string, now: number): IdempotencyRecord | undefined {
    this.#waiting.evictExpired(now)
    const waiting = this.#waiting.find(key, now)
    if (waiting !== undefined) return waiting
    const value = this.#store.get(keyOf('use', toBytes(key)))
    if (value === undefined || numberAt(value, 1) <= now) return undefined
    return { offset: numberAt(value, 0), until: numberAt(value, 1), stored: numberAt(value, 2) === 1, digest: value.subarray(DIGEST_AT) }
  }

  remember (key: string, use: IdempotencyRecord): void {
    this.#waiting.add(key, use)
  }

  write (batch: Batch, key: string, use: NewUse, isStored: boolean): void {
    batch.use(toBytes(key), use, isStored)
  }

  /** Removes a record from memory once it is in the store. */
  settle (key: string): void {
    this.#waiting.remove(key)
  }
}

/** Returns a digest of fixed length, because a key may have any length and any characters. */
function toBytes (key: string): Buffer {
  return createHash('sha256').update(key, 'utf16le').digest().subarray(0, KEY_BYTES)
}
