import { HubError } from '../../model/errors.ts'
import { settledWithin } from '../../lib/timeout.ts'
import type { Batch } from './batch.ts'
import { Fifo } from '../local/collections/fifo.ts'
import type { LmdbFile } from './file.ts'
import { makeRoom } from './sweep.ts'

/** A unit of work for the writer. */
export interface Work {
  /** The approximate size of the write; 0 exempts small work from the bound on bytes in flight. */
  readonly bytes: number
  /** Whether the work must be the first of its transaction. */
  readonly isFirst?: boolean
  apply (batch: Batch): void
  /** Receives the result, once: whether the work is on the disk. Must not throw. */
  done (isWritten: boolean): void
}

/** Collaborators and hooks of a writer. */
export interface WriterOptions {
  readonly store: LmdbFile
  /** Begins a transaction, including the counts of earlier unpersisted messages. */
  readonly begin: () => Batch
  /** Runs when a transaction is on the disk. */
  readonly onWritten: (batch: Batch) => void
  /** Describes the consequence of a write error in one sentence. */
  readonly explain: (error: unknown) => string
  /**
   * Receives the sentence and the error when writes begin to fail, and null when they succeed again. Must not throw.
   */
  readonly onProblem: (problem: string | null, error: unknown) => void
}

/** The most works and bytes of one transaction, unless a single work exceeds the limit. */
const BATCH_WORKS = 500
const BATCH_BYTES = 2 * 1024 ** 2
/** The most bytes in flight; messages beyond this bound are not stored. */
const MAX_WAITING_BYTES = 128 * 1024 ** 2
/** The duration of a commit after which the disk counts as stuck. */
const STUCK_MS = 30_000
const RETRY_MS = { first: 100, longest: 5000 }

/**
 * Writes one transaction after another. Work that arrives while a transaction is in flight joins the next transaction,
 * so that many works share a flush. After a failed write, work is not queued until recovery: the writer refuses all
 * work and retries repeatedly, until an attempt succeeds.
 */
export class Writer {
  readonly #options: WriterOptions
  readonly #queue = new Fifo<Work>()
  #waitingBytes = 0
  #problem: string | null = null
  #hasChore = false
  /** Whether a transaction is in progress or scheduled. */
  #isRunning = false
  #isClosed = false
  #retryMs = RETRY_MS.first
  #retry: NodeJS.Timeout | undefined
  #onIdle: Array<() => void> = []

  constructor (options: WriterOptions) {
    this.#options = options
  }

  /** The reason why writes currently fail; null while writes succeed. */
  get problem (): string | null {
    return this.#problem
  }

  /** Queues a work; or calls `done(false)` at once when the writer is closed, failing or at its bound. */
  push (work: Work): void {
    const isTooMuch = work.bytes > 0 && this.#waitingBytes + work.bytes > MAX_WAITING_BYTES
    if (this.#isClosed || this.#problem !== null || isTooMuch) return work.done(false)
    this.#waitingBytes += work.bytes
    this.#queue.push(work)
    this.#start()
  }

  /** Writes the changes of `apply` and resolves to its result. Rejects with HUB_STORE_FAILED when the write fails. */
  run<T> (apply: (batch: Batch) => T, options: { readonly isFirst?: boolean } = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: { readonly value: T } | undefined
      this.push({
        ...options,
        bytes: 0,
        apply: (batch) => { result = { value: apply(batch) } },
        done: (isWritten) => {
          if (isWritten && result !== undefined) resolve(result.value)
          else reject(new HubError('HUB_STORE_FAILED', this.#problem ?? 'The hub was closed before this was stored.', { retryAfter: 1 }))
        }
      })
    })
  }

  /** Starts a transaction even without queued work, for evictions. */
  nudge (): void {
    this.#hasChore = true
    if (!this.#isClosed && this.#problem === null) this.#start()
  }

  /** Refuses new work. Waits for queued work up to the time limit. Resolves to whether the disk is idle. */
  async close (limitMs: number): Promise<boolean> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    if (this.#isRunning) await settledWithin(new Promise<void>((resolve) => this.#onIdle.push(resolve)), limitMs)
    this.#refuseQueued()
    return !this.#isRunning
  }

  #start (): void {
    if (this.#isRunning) return
    this.#isRunning = true
    // Deferred, so that messages of the same turn of the event loop share the flush.
    setImmediate(() => { void this.#run() })
  }

  async #run (): Promise<void> {
    do await this.#write(this.#take())
    while (this.#problem === null && (this.#queue.length > 0 || (this.#hasChore && !this.#isClosed)))
    this.#isRunning = false
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  #take (): Work[] {
    const works: Work[] = []
    let bytes = 0
    for (let next = this.#queue.first; next !== undefined; next = this.#queue.first) {
      if (works.length > 0 && (works.length >= BATCH_WORKS || bytes + next.bytes > BATCH_BYTES || next.isFirst === true)) break
      bytes += next.bytes
      works.push(next)
      this.#queue.shift()
    }
    return works
  }

  async #write (works: readonly Work[]): Promise<void> {
    // After STUCK_MS the works of a transaction count as failed; the writer still waits for the end of the commit.
    let waiting = works
    const refuse = (problem: string, error: unknown): void => {
      if (this.#problem === null) {
        this.#problem = problem
        this.#options.onProblem(problem, error)
      }
      this.#finish(waiting, false)
      waiting = []
      this.#refuseQueued()
    }
    try {
      const batch = this.#options.begin()
      for (const work of works) work.apply(batch)
      const room = makeRoom(batch)
      batch.finish(room.entries)
      if (this.#problem !== null) batch.probe()
      const stuck = setTimeout(() => refuse(`The disk has not answered for ${STUCK_MS / 1000} seconds; messages are delivered and not stored.`, undefined), STUCK_MS)
      try {
        if (batch.changes.length > 0) await this.#options.store.commit(batch.changes)
      } finally {
        clearTimeout(stuck)
      }
      this.#hasChore = room.hasMore
      this.#options.onWritten(batch)
      this.#recover()
      this.#finish(waiting, true)
    } catch (error) {
      refuse(this.#options.explain(error), error)
      this.#retryLater()
    }
  }

  #finish (works: readonly Work[], isWritten: boolean): void {
    for (const work of works) {
      this.#waitingBytes -= work.bytes
      work.done(isWritten)
    }
  }

  #refuseQueued (): void {
    const works: Work[] = []
    for (let work = this.#queue.shift(); work !== undefined; work = this.#queue.shift()) works.push(work)
    this.#finish(works, false)
  }

  #recover (): void {
    this.#retryMs = RETRY_MS.first
    if (this.#problem === null) return
    this.#problem = null
    this.#options.onProblem(null, undefined)
  }

  #retryLater (): void {
    if (this.#isClosed) return
    this.#retry = setTimeout(() => this.#start(), this.#retryMs)
    this.#retry.unref()
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS.longest)
  }
}
