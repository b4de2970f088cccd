import { HubError } from '../../model/errors.ts'
import type { Log } from '../../lib/log.ts'
import { addressKey, type Address, type Message, type Offset } from '../../model/message.ts'
import { settledWithin } from '../../lib/timeout.ts'
import type { LogRecord, MessageRecord } from '../record.ts'
import type { Applied, Page, PageLimit, Range, Store, Summary } from '../store.ts'
import { Batch, readTotals } from './batch.ts'
import { toEntry } from './entry.ts'
import type { LmdbFolder } from './folder.ts'
import { LmdbKeys } from './keys.ts'
import { encodeText } from '../local/text.ts'
import { MAX_TEXT_BYTES } from './layout.ts'
import type { Totals } from './ledger.ts'
import { explainFailure } from '../local/disk/problem.ts'
import { LmdbReader } from './reader.ts'
import { Lost } from './lost.ts'
import { isDamage } from './file.ts'
import { Waiting } from './waiting.ts'
import { Writer } from './writer.ts'
import { retentionClassOf, type Retention } from '../local/retention.ts'

/** The folder of the store, the log, and the bound on tombstones. */
export interface LmdbPlace {
  /** A folder on a local disk. A missing folder is created. */
  readonly path: string
  readonly log: Log
  /** The most tombstones (records of addresses without messages) of one kind of address; by default MAX_EVICTIONS. */
  readonly maxVanished?: number
}

const SWEEP_MS = 1000
const RENEW_MS = 10_000
/** Time limit for queued writes to reach the disk, and again for the store to close. */
const CLOSE_MS = 5000

/**
 * The store in an lmdb file on a local disk. A message that is reported as stored survives a crash of the process and of
 * the machine. A message is readable before it is on the disk.
 */
export class LmdbStore implements Store {
  readonly writer: Writer
  readonly #retention: Retention
  readonly #place: LmdbPlace
  readonly #now: () => number
  readonly #folder: LmdbFolder
  readonly #waiting = new Waiting()
  readonly #lost = new Lost()
  readonly #keys: LmdbKeys
  readonly #reader: LmdbReader
  readonly #timers: NodeJS.Timeout[]
  #totals: Totals
  #head: Offset

  constructor (folder: LmdbFolder, retention: Retention, place: LmdbPlace) {
    const { store, lease } = folder
    this.#retention = retention
    this.#place = place
    this.#folder = folder
    this.#head = lease.last
    this.#now = retention.now ?? Date.now
    this.#totals = readTotals(store)
    this.#keys = new LmdbKeys(store)
    this.#reader = new LmdbReader({ store, retention, waiting: this.#waiting, lost: this.#lost, totals: () => this.#totals })
    this.writer = new Writer({
      store,
      begin: () => this.#beginBatch(),
      onWritten: ({ totals }) => {
        this.#totals = totals
        this.#lost.settle()
      },
      explain: (error) => this.#explain(error),
      onProblem: (problem, err) => this.#report(problem, err)
    })
    this.#timers = [
      setInterval(() => this.writer.nudge(), SWEEP_MS).unref(),
      setInterval(() => lease.renew(), RENEW_MS).unref()
    ]
  }

  get problem (): string | null {
    return this.writer.problem
  }

  get head (): Offset {
    return this.#head
  }

  apply (record: LogRecord, offset: Offset): Applied {
    this.#head = offset
    if (record.kind === 'message') return this.#append(record, offset)
    return { kind: 'purged', count: this.#purge(record.address, offset) }
  }

  noteHole (upTo: Offset): void {
    this.#head = Math.max(this.#head, upTo)
    this.#lost.noteHole(upTo)
    this.writer.nudge()
  }

  read (ranges: readonly Range[], limit: PageLimit): Page {
    return this.using(() => this.#reader.read(ranges, limit, this.#head, this.#now()))
  }

  find (offset: Offset): Message | undefined {
    return this.using(() => this.#reader.find(offset, this.#now()))
  }

  summary (range: Range): Summary {
    return this.using(() => this.#reader.summary(range, this.#now()))
  }

  async close (): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    const isIdle = await this.writer.close(CLOSE_MS)
    await settledWithin(this.#folder.close(isIdle), CLOSE_MS)
  }

  /** Runs a read of the store. Throws HUB_STORE_FAILED when the store is unreadable. */
  using<T> (read: () => T): T {
    try {
      return read()
    } catch (cause) {
      if (isDamage(cause)) this.#folder.suspect()
      throw new HubError('HUB_STORE_FAILED', 'The log cannot be read.', { cause })
    }
  }

  #append ({ draft, at, digest }: MessageRecord, offset: Offset): Applied {
    const { key } = draft
    const known = key === undefined ? undefined : this.using(() => this.#keys.find(key, at))
    if (digest !== undefined && known !== undefined) {
      if (!known.digest.equals(digest)) return { kind: 'keyReused' }
      return { kind: 'duplicate', offset: known.offset, stored: known.stored }
    }
    const message: Message = { offset, at, ...draft }
    return { kind: 'appended', message, stored: this.#store(message, digest ?? null, at) }
  }

  async #purge (address: Address, upTo: Offset): Promise<number> {
    const bytes = encodeText(addressKey(address))
    for (let total = 0; ;) {
      const { count, isDone } = await this.writer.run((batch) => batch.purge(bytes, retentionClassOf(address), upTo), { isFirst: true })
      total += count
      if (isDone) return total
    }
  }

  /**
   * Queues a message for the store. Resolves to true once the message is on the disk, to false when it is not stored.
   */
  #store (message: Message, digest: Buffer | null, now: number): Promise<boolean> {
    const entry = message.keep === false ? null : toEntry(message)
    const { key, offset } = message
    const isTooLarge = entry !== null && (entry.bytes > this.#retention.maxBytes || entry.address.length > MAX_TEXT_BYTES)
    if (isTooLarge) {
      this.#lost.add(entry.key, offset)
      this.writer.nudge()
    }
    const isKept = entry !== null && !isTooLarge
    const use = key === undefined || digest === null ? null : { key, offset, digest, until: now + this.#retention.idempotencyWindowMs }
    if (!isKept && use === null) return Promise.resolve(false)

    if (isKept) this.#waiting.add(entry)
    const stored = new Promise<boolean>((resolve) => {
      this.writer.push({
        bytes: isKept ? entry.bytes : 0,
        apply: (batch) => {
          if (isKept) batch.append(entry)
          if (use !== null) this.#keys.write(batch, use.key, use, isKept)
        },
        done: (isWritten) => {
          if (isKept) this.#waiting.settle(entry)
          if (isKept && !isWritten) this.#lost.add(entry.key, offset)
          if (use !== null && isWritten) this.#keys.settle(use.key)
          resolve(isKept && isWritten)
        }
      })
    })
    if (use !== null) this.#keys.remember(use.key, { ...use, stored })
    return stored
  }

  #beginBatch (): Batch {
    const { store } = this.#folder
    const batch = new Batch({ store, retention: this.#retention, totals: this.#totals, now: this.#now(), maxVanished: this.#place.maxVanished })
    this.#lost.writeTo(batch)
    return batch
  }

  #explain (error: unknown): string {
    if (isDamage(error)) this.#folder.suspect()
    return explainFailure(this.#folder.path, error)
  }

  #report (problem: string | null, err: unknown): void {
    const { log, path } = this.#place
    if (problem === null) log.info({ path }, 'the log can be written again')
    else log.error({ err, path }, problem)
  }
}
