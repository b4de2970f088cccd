import { Batch } from './batch.ts'

/** Something that has bytes to write at the end of the tick. */
interface Flushable {
  flush (): void
}

/**
 * Writes every outbox that has something to write once, at the end of the tick: all frames that reach a client while the
 * event loop handles one round of events leave in one write.
 */
export class Flusher {
  /** Where this tick's batches start. */
  root = new Batch()
  #waiting: Flushable[] = []
  #taken: Batch[] = []
  #settled: Promise<void> | null = null
  #isFlushing = false

  /** Asks for a flush at the end of the tick. */
  add (outbox: Flushable): void {
    this.#waiting.push(outbox)
    void this.settled()
  }

  /** Notes that a client took a whole batch. */
  taken (batch: Batch): void {
    if (batch.taken++ > 0) return
    this.#taken.push(batch)
    if (!this.#isFlushing) void this.settled()
  }

  /**
   * Resolves at the end of the tick, when all that was added has been offered to its sockets and counted. Never earlier,
   * so that whoever waits for one receipt after another leaves the event loop time for the sockets.
   */
  settled (): Promise<void> {
    this.#settled ??= new Promise((resolve) => setImmediate(() => { this.#flush(); resolve() }))
    return this.#settled
  }

  #flush (): void {
    const waiting = this.#waiting
    this.#settled = null
    this.#waiting = []
    this.root = new Batch()
    this.#isFlushing = true
    for (const outbox of waiting) outbox.flush()
    this.#isFlushing = false
    for (const batch of this.#taken) batch.credit()
    this.#taken = []
  }
}
