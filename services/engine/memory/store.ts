import type { Message, Offset } from '../../model/message.ts'
import type { LogRecord, MessageRecord } from '../record.ts'
import type { Applied, Page, PageLimit, Range, Store, Summary } from '../store.ts'
import { Evictions } from '../local/evictions.ts'
import { IdempotencyRecords } from '../local/idempotency.ts'
import { takePage } from '../local/page.ts'
import type { Retention } from '../local/retention.ts'
import { MemoryLog } from './log.ts'

/** Bounds of the data of a store beside its messages; each default is that of the named class. */
export interface StoreBounds {
  /** Idempotency keys at most: IdempotencyRecords. */
  readonly keys?: number
  /** Addresses of one kind with evictions at most: Evictions. */
  readonly evictions?: number
}

/** The store in the memory of this process: messages do not outlive the process. */
export class MemoryStore implements Store {
  readonly problem = null
  readonly #windowMs: number
  readonly #now: () => number
  readonly #log: MemoryLog
  readonly #keys: IdempotencyRecords
  #head: Offset

  /** @param head Offset of the last record before the records that the store receives. */
  constructor (head: Offset, retention: Retention, bounds: StoreBounds = {}) {
    this.#head = head
    this.#windowMs = retention.idempotencyWindowMs
    this.#now = retention.now ?? Date.now
    this.#log = new MemoryLog(retention, new Evictions(bounds.evictions))
    this.#keys = new IdempotencyRecords(bounds.keys)
  }

  get head (): Offset {
    return this.#head
  }

  apply (record: LogRecord, offset: Offset): Applied {
    this.#head = offset
    if (record.kind === 'message') return this.#append(record, offset)
    this.#log.evictExpired(record.at)
    return { kind: 'purged', count: Promise.resolve(this.#log.purge(record.address, record.at)) }
  }

  noteHole (upTo: Offset): void {
    this.#head = Math.max(this.#head, upTo)
    this.#log.noteHole(upTo)
  }

  read (ranges: readonly Range[], limit: PageLimit): Page {
    const now = this.#now()
    const page = takePage(ranges.map((range) => this.#log.read(range, now)), limit, this.#head)
    const gapUpTo = ranges.reduce((upTo, range) => Math.max(upTo, this.#log.gapUpTo(range, now)), 0)
    return { ...page, gapUpTo }
  }

  find (offset: Offset): Message | undefined {
    return this.#log.find(offset, this.#now())
  }

  summary (range: Range): Summary {
    return this.#log.summary(range, this.#now())
  }

  async close (): Promise<void> {
    this.#log.clear()
    this.#keys.clear()
  }

  #append ({ draft, at, digest }: MessageRecord, offset: Offset): Applied {
    const { key } = draft
    if (key !== undefined && digest !== undefined) {
      this.#keys.evictExpired(at)
      const known = this.#keys.find(key, at)
      if (known?.digest.equals(digest) === false) return { kind: 'keyReused' }
      if (known !== undefined) return { kind: 'duplicate', offset: known.offset, stored: known.stored }
    }
    // The draft comes last: V8 extends a copied object slowly, which doubled the CPU time of an append.
    const message: Message = { offset, at, ...draft }
    const stored = draft.keep !== false && this.#log.append(message, at)
    if (key !== undefined && digest !== undefined) {
      this.#keys.add(key, { offset, digest, until: at + this.#windowMs, stored })
    }
    return { kind: 'appended', message, stored }
  }
}
