import type { Writable } from 'node:stream'
import { Batch } from './batch.ts'

/** Something that has bytes to write at the end of the tick. */
interface Flushable {
  /** Must not throw. */
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
  #written: Batch[] = []
  /** Writes that the socket had not taken at once, to be looked at again: over TLS it never does. */
  #open: Array<{ batch: Batch, stream: Writable }> = []
  #settled: Promise<void> | null = null

  /** Asks for a flush at the end of the tick. */
  add (outbox: Flushable): void {
    this.#waiting.push(outbox)
    void this.settled()
  }

  /** Notes that a batch was written to a client. */
  wrote (batch: Batch, stream: Writable): void {
    if (!batch.isListed) {
      batch.isListed = true
      this.#written.push(batch)
    }
    if (hasTaken(stream)) batch.taken++
    else this.#open.push({ batch, stream })
    void this.settled()
  }

  /**
   * Resolves at the end of the tick, when all that was added has been offered to its sockets and counted. Never earlier,
   * so that whoever waits for one receipt after another leaves the event loop time for the sockets.
   */
  settled (): Promise<void> {
    this.#settled ??= this.#flush()
    return this.#settled
  }

  async #flush (): Promise<void> {
    await endOfTick()
    const waiting = this.#waiting
    this.#waiting = []
    this.root = new Batch()
    for (const outbox of waiting) outbox.flush()
    // From here on a new flush may be asked for; this one only counts.
    this.#settled = null

    const written = this.#written
    const open = this.#open
    this.#written = []
    this.#open = []
    if (open.length > 0) {
      await endOfTick()
      for (const { batch, stream } of open) if (hasTaken(stream)) batch.taken++
    }
    for (const batch of written) batch.settle()
  }
}

/** Whether the operating system has taken all that was written. A write that failed leaves nothing waiting either. */
function hasTaken (stream: Writable): boolean {
  return stream.writableLength === 0 && !stream.errored && !stream.destroyed
}

function endOfTick (): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}
