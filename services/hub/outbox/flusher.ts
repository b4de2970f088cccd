import type { Writable } from 'node:stream'
import type { Clock } from '../../lib/clock.ts'
import { reportFailure, type Log } from '../../lib/log.ts'
import { Batch, type Frame } from './batch.ts'

/** An outbox, as the flusher needs one: an object with bytes to write at the next flush. */
interface Flushable {
  /** Writes the queued bytes. Must not throw. */
  flush (): void
}

/** Gives the pending messages to the outboxes; with `isFlush`, the outboxes write at once. */
type PendingDelivery = (isFlush: boolean) => void

/** Bytes of written batches that are kept for sharing and counting, at most: 4 MiB. */
const MAX_WRITTEN_BYTES = 4 * 1024 ** 2

/**
 * Writes the outboxes at the end of the tick, each outbox once: all frames that reach a client while the event loop
 * handles one round of events leave in one write. With a flush interval, all frames of the interval leave in one write.
 */
export class Flusher {
  /** Frames of all clients of this node since the start, including the clients that have disconnected. */
  readonly counters = { delivered: 0, dropped: 0 }
  readonly #flushIntervalMs: number
  readonly #clock: Clock
  readonly #log: Log
  #queued: Flushable[] = []
  /** Batches that are written and not settled yet. */
  #written: Batch[] = []
  #writtenBytes = 0
  /**
   * Writes that the socket did not take at once. The flusher looks again one tick later: a TLS socket is always late.
   */
  #lateWrites: Array<{ batch: Batch, stream: Writable }> = []
  /** Batches started since the last flush, by first frame. */
  readonly #started = new Map<Frame, Batch>()
  /** The batch found last, which is most often the batch that the next client needs too. */
  #recent: Batch | null = null
  /** Resolves when the running or scheduled flush is done; null while no flush is scheduled. */
  #settled: Promise<void> | null = null
  #pending: PendingDelivery | null = null

  /**
   * `flushIntervalMs`: how long to collect frames before a write, in ms; 0 writes at the end of the tick. `log`
   * receives the errors of pending deliveries.
   */
  constructor (flushIntervalMs: number, clock: Clock, log: Log) {
    this.#flushIntervalMs = flushIntervalMs
    this.#clock = clock
    this.#log = log
  }

  /** Returns the time on the steady clock, in ms. */
  now (): number {
    return this.#clock.steady()
  }

  /** Schedules a flush of this outbox. */
  add (outbox: Flushable): void {
    this.#queued.push(outbox)
    this.#settled ??= this.#flush()
  }

  /**
   * Defers a delivery until the next flush, so that many messages are given to the clients in one pass. The delivery
   * runs earlier when another frame is queued for any client first, which keeps the order of messages. One delivery can
   * be deferred at a time; a second call replaces the first.
   */
  defer (delivery: PendingDelivery): void {
    this.#pending = delivery
    this.#settled ??= this.#flush()
  }

  /**
   * Runs the pending delivery, if there is one. Called by all code that changes the recipients of the pending messages,
   * or the order of frames: before a client is added, advances in the log, or gets another frame. Never throws: an
   * error is logged, because the caller has no part in the pending messages.
   */
  deliverPending (isFlush = false): void {
    const deliver = this.#pending
    if (deliver === null) return
    this.#pending = null
    try {
      deliver(isFlush)
    } catch (error) {
      reportFailure(this.#log, error, {}, 'messages could not be delivered')
    }
  }

  /** Returns the batch that starts with this frame: the same batch for all clients until the next flush. */
  startBatch (frame: Frame): Batch {
    if (this.#recent === null || this.#recent.frame !== frame) this.#recent = this.#findOrStart(frame)
    return this.#recent
  }

  /** Records that a batch was written to a client's stream, and counts the frames as delivered. */
  onWrite (batch: Batch, stream: Writable): void {
    this.counters.delivered += batch.frames
    if (hasTakenAll(stream)) batch.takenBy++
    else this.#lateWrites.push({ batch, stream })
    this.#list(batch)
    this.#settled ??= this.#flush()
  }

  /**
   * Resolves when all queued frames have been offered to their sockets and counted. Never resolves before the end of
   * the tick, so that a caller that awaits one receipt after another leaves the event loop time for the sockets.
   */
  settled (): Promise<void> {
    return this.#settled ?? endOfTick()
  }

  #list (batch: Batch): void {
    if (batch.isListed) return
    batch.isListed = true
    this.#written.push(batch)
    this.#writtenBytes += batch.byteLength
    // Frees memory before the end of a long interval. A single batch is kept, because further clients may share that
    // batch.
    if (this.#writtenBytes > MAX_WRITTEN_BYTES && this.#written.length > 1) this.#settle()
  }

  /** Counts the written batches and releases their bytes. */
  #settle (): void {
    const written = this.#written
    this.#written = []
    this.#writtenBytes = 0
    this.#started.clear()
    this.#recent = null
    for (const batch of written) batch.settle()
  }

  #findOrStart (frame: Frame): Batch {
    const started = this.#started.get(frame)
    if (started !== undefined) return started
    const batch = new Batch(null, frame, this.now())
    this.#started.set(frame, batch)
    return batch
  }

  async #flush (): Promise<void> {
    if (this.#flushIntervalMs > 0) await elapsed(this.#flushIntervalMs)
    else await endOfTick()
    this.deliverPending(true)
    const queued = this.#queued
    this.#queued = []
    for (const outbox of queued) outbox.flush()
    // From here on a new flush can be scheduled, and this flush only counts. Frames queued meanwhile get the new flush.
    this.#settled = this.#queued.length > 0 || this.#pending !== null ? this.#flush() : null

    const lateWrites = this.#lateWrites
    this.#lateWrites = []
    if (lateWrites.length > 0) {
      await endOfTick()
      for (const { batch, stream } of lateWrites) {
        if (!hasTakenAll(stream)) continue
        batch.takenBy++
        this.#list(batch)
      }
    }
    this.#settle()
  }
}

/**
 * Whether the operating system has taken all written bytes. A failed write also empties the stream, and does not count.
 */
function hasTakenAll (stream: Writable): boolean {
  return stream.writableLength === 0 && !stream.errored && !stream.destroyed
}

function endOfTick (): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}

function elapsed (ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms) })
}
