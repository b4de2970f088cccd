import { createHash } from 'node:crypto'
import { HubError } from '../../model/errors.ts'
import { addressKey, type Draft, type Offset } from '../../model/message.ts'
import { Fifo } from './fifo.ts'
import { MAX_KEYS } from './retention.ts'

/** What a key was used for. */
export interface IdempotencyRecord {
  readonly offset: Offset
  /** What tells apart for what it was used. */
  readonly digest: Buffer
  /** Until when it is remembered, in ms since the epoch. */
  readonly until: number
  /** Whether the message is in the log. */
  readonly stored: boolean | Promise<boolean>
}

const DIGEST_BYTES = 16

/** What tells apart to whom what was said, and how. */
export function digestOf ({ address, payload, ttl, keep = true, except = [], conflate }: Draft): Buffer {
  const how = JSON.stringify([addressKey(address), payload.kind, ttl, keep, except, conflate])
  return createHash('sha256').update(`${how} `).update(payload.data).digest().subarray(0, DIGEST_BYTES)
}

/** Throws HUB_KEY_REUSED when a key is used for something else than before. */
export function assertSameDraft (known: IdempotencyRecord, digest: Buffer): void {
  if (!known.digest.equals(digest)) {
    throw new HubError('HUB_KEY_REUSED', 'This idempotency key was used for another message a short time ago, or for the same with other options; take a new key for each message.')
  }
}

/** Idempotency keys and what they were used for, each until its end. */
export class IdempotencyRecords {
  readonly #uses = new Map<string, IdempotencyRecord>()
  /** In the order of their use, and so of their end. */
  readonly #order = new Fifo<{ readonly key: string, readonly use: IdempotencyRecord }>()
  readonly #max: number

  constructor (max = MAX_KEYS) {
    this.#max = max
  }

  find (key: string, now: number): IdempotencyRecord | undefined {
    const use = this.#uses.get(key)
    return use !== undefined && use.until > now ? use : undefined
  }

  remember (key: string, use: IdempotencyRecord): void {
    this.#uses.set(key, use)
    this.#order.push({ key, use })
    if (this.#order.length > this.#max) this.#shift()
  }

  /** What a key was used for is no longer needed. */
  forget (key: string): void {
    this.#uses.delete(key)
    for (let first = this.#order.first; first !== undefined && this.#uses.get(first.key) !== first.use; first = this.#order.first) this.#shift()
  }

  sweep (now: number): void {
    for (let first = this.#order.first; first !== undefined && first.use.until <= now; first = this.#order.first) this.#shift()
  }

  clear (): void {
    this.#uses.clear()
    this.#order.clear()
  }

  #shift (): void {
    const first = this.#order.shift()
    if (first !== undefined && this.#uses.get(first.key) === first.use) this.#uses.delete(first.key)
  }
}
