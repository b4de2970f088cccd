import { HubError } from '../../model/errors.ts'
import { settledWithin } from '../../lib/timeout.ts'
import type { Batch } from './batch.ts'
import { Fifo } from '../local/fifo.ts'
import type { LmdbStore } from './store.ts'
import { makeRoom } from './sweep.ts'

/** Something to be written. */
export interface Work {
  /** About how much there is to write; 0 for what is too little to be refused because much is waiting. */
  readonly bytes: number
  /** Whether it has to be the first of its transaction. */
  readonly isFirst?: boolean
  apply (batch: Batch): void
  /** Called once: whether it is on the disk. Must not throw. */
  done (isWritten: boolean): void
}

/** What a writer works with. */
export interface WriterOptions {
  readonly store: LmdbStore
  /** A transaction, with what is owed to the disk from earlier in it. */
  readonly begin: () => Batch
  /** A transaction is on the disk. */
  readonly onWritten: (batch: Batch) => void
  /** Says in one sentence what it means that writing fails with this. */
  readonly explain: (error: unknown) => string
  /** Writing begins to fail: the sentence and the reason; or works again: null. Must not throw. */
  readonly onProblem: (problem: string | null, error: unknown) => void
}

/** Works and bytes of one transaction at most, unless one work alone is more. */
const BATCH_WORKS = 500
const BATCH_BYTES = 2 * 1024 ** 2
/** Bytes that may wait for the disk; what is beyond them is not stored. */
const MAX_WAITING_BYTES = 128 * 1024 ** 2
/** Time after which the disk counts as stuck. */
const STUCK_MS = 30_000
const RETRY_MS = { first: 100, longest: 5000 }

/**
 * Writes one transaction after another. What comes while one is on its way to the disk goes into the next, so that many
 * share a flush. When writing fails, nothing waits for it to work again: what is to be written is refused until an
 * attempt, made again and again, succeeds.
 */
export class Writer {
  readonly #options: WriterOptions
  readonly #queue = new Fifo<Work>()
  #waitingBytes = 0
  #problem: string | null = null
  #hasChore = false
  /** Whether a transaction is being made or about to be. */
  #isRunning = false
  #isClosed = false
  #retryMs = RETRY_MS.first
  #retry: NodeJS.Timeout | undefined
  #onIdle: Array<() => void> = []

  constructor (options: WriterOptions) {
    this.#options = options
  }

  /** Why nothing can be written right now; null while all is well. */
  get problem (): string | null {
    return this.#problem
  }

  /** Takes something to be written; or is done with it at once, when it cannot be. */
  push (work: Work): void {
    const isTooMuch = work.bytes > 0 && this.#waitingBytes + work.bytes > MAX_WAITING_BYTES
    if (this.#isClosed || this.#problem !== null || isTooMuch) return work.done(false)
    this.#waitingBytes += work.bytes
    this.#queue.push(work)
    this.#start()
  }

  /** Writes what `apply` says. Rejects with HUB_STORE_FAILED when that does not work. */
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

  /** Makes a transaction even if nothing is to be written: for what has to be taken away. */
  nudge (): void {
    this.#hasChore = true
    if (!this.#isClosed && this.#problem === null) this.#start()
  }

  /** Takes nothing more. Resolves when what was taken is written, or the time is up. Answers whether the disk is idle. */
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
    // Not at once: what is said in the same turn shares the flush.
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
    // A transaction that takes too long is given up for those who wait for it, and waited for all the same.
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
