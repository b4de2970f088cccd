import { addressKey, payloadBytes, type Address, type AddressKey, type Message, type Offset } from '../../model/message.ts'
import type { LogRecord, MessageRecord } from '../record.ts'
import type { Applied, Page, PageLimit, Range, Store, Summary } from '../store.ts'
import type { IdempotencyRecord, IdempotencyRecords } from './idempotency.ts'
import type { LogIndex } from './index/log-index.ts'
import { encodeOptions, MESSAGE_BYTES } from './message-form.ts'
import type { Payloads } from './payloads.ts'
import { expiryOf, type Retention } from './retention.ts'
import { textBytes } from './text.ts'

/** The parts of a store. */
export interface LogStoreParts {
  /** Offset of the last record that the store has. */
  readonly head: Offset
  readonly index: LogIndex
  readonly keys: IdempotencyRecords
  readonly payloads: Payloads
}

/**
 * The store of every kind of engine: an index of the messages in memory, and the messages themselves in memory or in
 * files. Decides by the records alone, so the stores of all nodes hold the same.
 */
export class LogStore implements Store {
  readonly #index: LogIndex
  readonly #keys: IdempotencyRecords
  readonly #payloads: Payloads
  readonly #maxBytes: number
  readonly #windowMs: number
  readonly #now: () => number
  #head: Offset

  constructor ({ head, index, keys, payloads }: LogStoreParts, retention: Retention) {
    this.#head = head
    this.#index = index
    this.#keys = keys
    this.#payloads = payloads
    this.#maxBytes = retention.maxBytes
    this.#windowMs = retention.idempotencyWindowMs
    this.#now = retention.now ?? Date.now
  }

  get head (): Offset {
    return this.#head
  }

  get problem (): string | null {
    return this.#payloads.problem
  }

  apply (record: LogRecord, offset: Offset): Applied {
    this.#head = offset
    if (record.kind === 'message') return this.#append(record, offset)
    return { kind: 'purged', count: this.#purge(record.address, offset, record.at) }
  }

  noteHole (upTo: Offset): void {
    this.#head = Math.max(this.#head, upTo)
    this.#index.doubt(upTo)
    this.#payloads.addHole(upTo)
  }

  read (ranges: readonly Range[], limit: PageLimit): Page | Promise<Page> {
    const { records, upTo, gapUpTo } = this.#index.select(ranges, limit, this.#head, this.#now())
    const messages = this.#payloads.load(records)
    if (!(messages instanceof Promise)) return { messages, upTo, gapUpTo }
    return messages.then((loaded) => loaded === null ? this.read(ranges, limit) : { messages: loaded, upTo, gapUpTo })
  }

  find (offset: Offset): Message | undefined | Promise<Message | undefined> {
    const record = this.#index.find(offset, this.#now())
    if (record === undefined) return undefined
    const messages = this.#payloads.load([record])
    if (!(messages instanceof Promise)) return messages[0]
    return messages.then((loaded) => loaded?.[0])
  }

  summary (range: Range): Summary {
    return this.#index.summary(range, this.#now())
  }

  async close (): Promise<void> {
    await this.#payloads.close()
    this.#index.clear()
    this.#keys.clear()
  }

  #append ({ draft, at, digest }: MessageRecord, offset: Offset): Applied {
    const { key } = draft
    if (key !== undefined && digest !== undefined) {
      const known = this.#keys.find(key, at, this.#windowMs)
      if (known?.digest.equals(digest) === false) return this.#refuse(at, { kind: 'keyReused' })
      if (known !== undefined) {
        return this.#refuse(at, { kind: 'duplicate', offset: known.offset, stored: known.stored })
      }
    }
    // The draft comes last: V8 extends a copied object slowly, which doubled the CPU time of an append.
    const message: Message = { offset, at, ...draft }
    const name = addressKey(draft.address)
    const stored = this.#keep(message, name)
    if (key !== undefined && digest !== undefined) {
      this.#useKey(key, { offset, digest, until: at + this.#windowMs, stored })
      if (stored === false) this.#payloads.addKeyUse(key, offset, at, digest)
    }
    return { kind: 'appended', message, stored }
  }

  /** A record that appends nothing still carries a time, by which other messages leave the log. */
  #refuse (at: number, applied: Applied): Applied {
    this.#index.evict(at)
    return applied
  }

  /** Keeps a message, unless the log must not or cannot. Other messages leave the log in any case. */
  #keep (message: Message, name: AddressKey): boolean | Promise<boolean> {
    const { offset, at, payload } = message
    if (message.keep === false) {
      this.#index.evict(at)
      return false
    }
    const options = encodeOptions(message)
    const optionBytes = options === '' ? 0 : Buffer.byteLength(options)
    const bytes = MESSAGE_BYTES + textBytes(name) + optionBytes + payloadBytes(payload)
    if (bytes > this.#maxBytes) {
      this.#index.miss(name, offset)
      this.#payloads.addLoss(name, offset)
      this.#index.evict(at)
      return false
    }
    const address = this.#index.add(name, { offset, at, until: expiryOf(message), bytes })
    const stored = this.#payloads.add(message, { name, options })
    this.#index.evict(at, address)
    return stored
  }

  #useKey (key: string, record: IdempotencyRecord): void {
    this.#keys.evictExpired(record.until - this.#windowMs, this.#windowMs)
    this.#keys.add(key, record)
  }

  async #purge (address: Address, offset: Offset, at: number): Promise<number> {
    const name = addressKey(address)
    this.#index.evict(at)
    const count = this.#index.purge(name, at)
    await this.#payloads.addPurge(name, offset, at)
    return count
  }
}
