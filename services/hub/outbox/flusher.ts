import type { Writable } from 'node:stream'
import { Batch, type Frame } from './batch.ts'

/** Something that has bytes to write at the next flush. */
interface Flushable {
  /** Must not throw. */
  flush (): void
}

/** Gives clients what was said to them; `isFlush`: and writes it at once. */
type HandOut = (isFlush: boolean) => void

/** How a Flusher works. */
export interface FlusherOptions {
  /** How long to collect frames before they are written, in ms; 0: until the end of the tick. */
  readonly flushIntervalMs: number
  /** A steady clock in ms. */
  readonly now: () => number
  /** Something could not be handed out. Must not throw. */
  readonly onFailure: (error: unknown) => void
}

/** How much of what was written is kept for counting and sharing, at most. */
const MAX_WRITTEN_BYTES = 4 * 1024 ** 2

/**
 * Writes every outbox that has something to write once, at the end of the tick: all frames that reach a client while the
 * event loop handles one round of events leave in one write. With an interval, all those of the interval.
 */
export class Flusher {
  /** Frames of all clients, those that are gone included. */
  readonly counters = { delivered: 0, dropped: 0 }
  readonly now: () => number
  readonly #flushIntervalMs: number
  readonly #onFailure: (error: unknown) => void
  #waiting: Flushable[] = []
  #written: Batch[] = []
  #writtenBytes = 0
  /** Writes that the socket had not taken at once, to be looked at again: over TLS it never does. */
  #open: Array<{ batch: Batch, stream: Writable }> = []
  /** The batches that began since the last flush, by their first frame; the last one found is what the next client needs too. */
  readonly #begun = new Map<Frame, Batch>()
  #recent: Batch | null = null
  #settled: Promise<void> | null = null
  #handOut: HandOut | null = null

  constructor ({ flushIntervalMs, now, onFailure }: FlusherOptions) {
    this.#flushIntervalMs = flushIntervalMs
    this.#onFailure = onFailure
    this.now = now
  }

  /** Asks for a flush. */
  add (outbox: Flushable): void {
    this.#waiting.push(outbox)
    this.#settled ??= this.#flush()
  }

  /**
   * Something is to be handed out that clients have not been given yet. It is, at the latest, at the flush, and before
   * anything else is given to anyone.
   */
  defer (handOut: HandOut): void {
    this.#handOut = handOut
    this.#settled ??= this.#flush()
  }

  /** Hands out what was deferred. Never throws: whoever happens to be next has nothing to do with it. */
  runDeferred (isFlush = false): void {
    const handOut = this.#handOut
    if (handOut === null) return
    this.#handOut = null
    try {
      handOut(isFlush)
    } catch (error) {
      this.#onFailure(error)
    }
  }

  /** The batch that begins with this frame: the same one for all who begin with it before the next flush. */
  begin (frame: Frame): Batch {
    if (this.#recent === null || this.#recent.frame !== frame) this.#recent = this.#beginning(frame)
    return this.#recent
  }

  /** Notes that a batch was written to a client. */
  wrote (batch: Batch, stream: Writable): void {
    this.counters.delivered += batch.frames
    if (hasTaken(stream)) batch.taken++
    else this.#open.push({ batch, stream })
    this.#list(batch)
    this.#settled ??= this.#flush()
  }

  /**
   * Resolves when all that waits has been offered to its sockets and counted. Never before the end of the tick, so that
   * whoever waits for one receipt after another leaves the event loop time for the sockets.
   */
  settled (): Promise<void> {
    return this.#settled ?? endOfTick()
  }

  #list (batch: Batch): void {
    if (batch.isListed) return
    batch.isListed = true
    this.#written.push(batch)
    this.#writtenBytes += batch.byteLength
    // What has been written need not wait for the end of a long interval; one batch alone may still be shared.
    if (this.#writtenBytes > MAX_WRITTEN_BYTES && this.#written.length > 1) this.#settle()
  }

  /** Counts what was written, and lets go of it. */
  #settle (): void {
    const written = this.#written
    this.#written = []
    this.#writtenBytes = 0
    this.#begun.clear()
    this.#recent = null
    for (const batch of written) batch.settle()
  }

  #beginning (frame: Frame): Batch {
    const known = this.#begun.get(frame)
    if (known !== undefined) return known
    const batch = new Batch(null, frame, this.now())
    this.#begun.set(frame, batch)
    return batch
  }

  async #flush (): Promise<void> {
    if (this.#flushIntervalMs > 0) await elapsed(this.#flushIntervalMs)
    else await endOfTick()
    this.runDeferred(true)
    const waiting = this.#waiting
    this.#waiting = []
    for (const outbox of waiting) outbox.flush()
    // From here on a new flush may be asked for, and this one only counts; whoever asked meanwhile gets it.
    this.#settled = this.#waiting.length > 0 || this.#handOut !== null ? this.#flush() : null

    const open = this.#open
    this.#open = []
    if (open.length > 0) {
      await endOfTick()
      for (const { batch, stream } of open) {
        if (!hasTaken(stream)) continue
        batch.taken++
        this.#list(batch)
      }
    }
    this.#settle()
  }
}

/** Whether the operating system has taken all that was written. A write that failed leaves nothing waiting either. */
function hasTaken (stream: Writable): boolean {
  return stream.writableLength === 0 && !stream.errored && !stream.destroyed
}

function endOfTick (): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}

function elapsed (ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms) })
}
