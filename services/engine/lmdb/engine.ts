import { HubError } from '../../model/errors.ts'
import type { Log } from '../../lib/log.ts'
import { addressKey, type Address, type Draft, type Message, type Offset } from '../../model/message.ts'
import { settledWithin } from '../../lib/timeout.ts'
import type { Appended, Engine, MessageHandler, Page, PageLimit, Range, Summary } from '../engine.ts'
import { LocalBus } from '../local/bus.ts'
import { assertSameDraft, digestOf } from '../local/idempotency.ts'
import { Lifetime } from '../local/lifetime.ts'
import { Batch, readTotals } from './batch.ts'
import { toEntry } from './entry.ts'
import { openFolder, type LmdbFolder } from './folder.ts'
import { LmdbKeys } from './keys.ts'
import { encodeText, MAX_TEXT_BYTES } from './layout.ts'
import type { Totals } from './ledger.ts'
import { explainFailure } from './problem.ts'
import { LmdbReader } from './reader.ts'
import { LmdbState } from './state.ts'
import { Lost } from './lost.ts'
import { isDamage } from './store.ts'
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
 * The log in an lmdb file on a local disk. A message that `append` reports as stored survives a crash of the process
 * and of the machine. The follower receives a message before it is on the disk.
 */
export class LmdbEngine implements Engine {
  readonly state: LmdbState
  readonly bus: LocalBus
  readonly #lifetime = new Lifetime()
  readonly #retention: Retention
  readonly #place: LmdbPlace
  readonly #now: () => number
  readonly #folder: LmdbFolder
  readonly #waiting = new Waiting()
  readonly #lost = new Lost()
  readonly #keys: LmdbKeys
  readonly #reader: LmdbReader
  readonly #writer: Writer
  readonly #timers: NodeJS.Timeout[]
  #totals: Totals
  #closing: Promise<void> | null = null
  #follower: MessageHandler = () => {}

  /** Opens the engine. Moves a damaged store aside. Throws HUB_STORE_FAILED when the folder is in use or unusable. */
  static async open (retention: Retention, place: LmdbPlace): Promise<LmdbEngine> {
    return new LmdbEngine(await openFolder(place.path, place.log, retention.now ?? Date.now), retention, place)
  }

  private constructor (folder: LmdbFolder, retention: Retention, place: LmdbPlace) {
    this.bus = new LocalBus(this.#lifetime)
    const { store, lease } = folder
    this.#retention = retention
    this.#place = place
    this.#folder = folder
    this.#now = retention.now ?? Date.now
    this.#totals = readTotals(store)
    this.#keys = new LmdbKeys(store)
    this.#reader = new LmdbReader({ store, retention, waiting: this.#waiting, lost: this.#lost, totals: () => this.#totals, origin: folder.origin })
    this.#writer = new Writer({
      store,
      begin: () => this.#beginBatch(),
      onWritten: ({ totals }) => {
        this.#totals = totals
        this.#lost.settle()
      },
      explain: (error) => this.#explain(error),
      onProblem: (problem, err) => this.#report(problem, err)
    })
    this.state = new LmdbState({ store, writer: this.#writer, now: this.#now, using: (read) => this.#using(read) })
    this.#timers = [
      setInterval(() => this.#writer.nudge(), SWEEP_MS).unref(),
      setInterval(() => lease.renew(), RENEW_MS).unref()
    ]
  }

  get problem (): string | null {
    return this.#writer.problem
  }

  get head (): Offset {
    return this.#folder.lease.last
  }

  async append (draft: Draft): Promise<Appended> {
    const now = this.#now()
    const { key } = draft
    const digest = key === undefined ? null : digestOf(draft)
    const known = this.#using(() => key === undefined ? undefined : this.#keys.find(key, now))
    if (digest !== null && known !== undefined) {
      assertSameDraft(known, digest)
      return { offset: known.offset, duplicate: true, stored: await known.stored }
    }
    assertStorable(draft.address)
    const message: Message = { offset: this.#folder.lease.next(), at: now, ...draft }
    const stored = this.#store(message, digest, now)
    this.#follower(message)
    return { offset: message.offset, duplicate: false, stored: await stored }
  }

  follow (handler: MessageHandler): void {
    this.#follower = handler
  }

  async read (ranges: readonly Range[], limit: PageLimit): Promise<Page> {
    return this.#using(() => this.#reader.read(ranges, limit, this.#folder.lease.last, this.#now()))
  }

  async find (offset: Offset): Promise<Message | undefined> {
    return this.#using(() => this.#reader.find(offset, this.#now()))
  }

  async summary (range: Range): Promise<Summary> {
    return this.#using(() => this.#reader.summary(range, this.#now()))
  }

  async purge (address: Address): Promise<number> {
    this.#lifetime.assertOpen()
    const bytes = encodeText(addressKey(address))
    const upTo = this.#folder.lease.last
    for (let total = 0; ;) {
      const { count, isDone } = await this.#writer.run((batch) => batch.purge(bytes, retentionClassOf(address), upTo), { isFirst: true })
      total += count
      if (isDone) return total
    }
  }

  close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /**
   * Queues a message for the store. Resolves to true once the message is on the disk, to false when it is not stored.
   */
  #store (message: Message, digest: Buffer | null, now: number): Promise<boolean> {
    const entry = message.keep === false ? null : toEntry(message, now)
    const { key, offset } = message
    const isTooLarge = entry !== null && entry.bytes > this.#retention.maxBytes
    if (isTooLarge) {
      this.#lost.add(entry.key, offset)
      this.#writer.nudge()
    }
    const isKept = entry !== null && !isTooLarge
    const use = key === undefined || digest === null ? null : { key, offset, digest, until: now + this.#retention.idempotencyWindowMs }
    if (!isKept && use === null) return Promise.resolve(false)

    if (isKept) this.#waiting.add(entry)
    const stored = new Promise<boolean>((resolve) => {
      this.#writer.push({
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

  /** Runs a read of the store. Throws HUB_DRAINING after the close, HUB_STORE_FAILED when the store is unreadable. */
  #using<T> (read: () => T): T {
    this.#lifetime.assertOpen()
    try {
      return read()
    } catch (cause) {
      if (isDamage(cause)) this.#folder.suspect()
      throw new HubError('HUB_STORE_FAILED', 'The log cannot be read.', { cause })
    }
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

  async #close (): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#lifetime.end()
    const isIdle = await this.#writer.close(CLOSE_MS)
    await settledWithin(this.#folder.close(isIdle), CLOSE_MS)
  }
}

function assertStorable (address: Address): void {
  const { length } = encodeText(addressKey(address))
  if (length > MAX_TEXT_BYTES) throw new HubError('HUB_ADDRESS_INVALID', `An address may have ${MAX_TEXT_BYTES} bytes; this one has ${length}.`)
}
