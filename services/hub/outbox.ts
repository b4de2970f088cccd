import type { Batch, Frame } from './batch.ts'
import type { Connection } from './connection.ts'
import type { Flusher } from './flusher.ts'

/** How much may wait for one client, and what happens beyond. */
export interface OutboxLimits {
  /** Bytes that wait here and in the socket. */
  readonly maxBytes: number
  /** Frames that wait here and writes that wait in the socket: each costs memory of its own, however small. */
  readonly maxWrites: number
}

/**
 * What one client still has to be written, and the only code that writes to a connection. At most one write per tick;
 * while the socket takes nothing, frames wait in a batch that clients in the same place share.
 */
export class Outbox {
  /** Frames handed to the socket. */
  delivered = 0
  /** Frames that were not, because the client was over its limit. */
  dropped = 0
  /** Since when the socket has not taken all it was given, in ms; 0 while it has. */
  waitingSince = 0
  readonly #connection: Connection
  readonly #flusher: Flusher
  readonly #limits: OutboxLimits
  readonly #now: () => number
  #tail: Batch | null = null
  #writesInSocket = 0

  constructor (connection: Connection, flusher: Flusher, limits: OutboxLimits, now: () => number) {
    this.#connection = connection
    this.#flusher = flusher
    this.#limits = limits
    this.#now = now
  }

  /** Whether anything waits that the operating system has not taken. */
  get isBehind (): boolean {
    return this.#tail !== null || this.#connection.stream.writableLength > 0
  }

  /** Takes a frame to be written at the end of the tick. Answers false, and drops it, when the client is over its limit. */
  push (frame: Frame): boolean {
    // A burst within one tick is no reason to call a client slow: offer it to the socket first.
    if (this.#isFull(frame)) this.flush()
    if (this.#isFull(frame)) {
      this.dropped++
      return false
    }
    if (this.#tail === null) {
      this.#tail = this.#flusher.root.add(frame)
      this.#flusher.add(this)
    } else {
      this.#tail = this.#tail.add(frame)
    }
    return true
  }

  /** Writes what waits, in one write, unless the socket is full: then its `drain` comes back here. */
  flush (): void {
    const { stream, isOpen } = this.#connection
    const batch = this.#tail
    if (batch === null || stream.writableNeedDrain) return
    this.#tail = null
    if (!isOpen) return

    const isDrained = stream.write(batch.bytes())
    this.delivered += batch.frames
    if (stream.writableLength === 0) {
      this.#writesInSocket = 0
      this.waitingSince = 0
      this.#flusher.taken(batch)
      return
    }
    this.#writesInSocket++
    if (this.waitingSince === 0) this.waitingSince = this.#now()
    if (!isDrained) stream.once('drain', this.#onDrain)
  }

  /** For how long, in ms, the oldest waiting write has waited. */
  waitedFor (now: number): number {
    if (this.waitingSince === 0) return 0
    if (!this.isBehind) {
      this.waitingSince = 0
      return 0
    }
    return now - this.waitingSince
  }

  #isFull (frame: Frame): boolean {
    const { maxBytes, maxWrites } = this.#limits
    const waitingBytes = (this.#tail?.byteLength ?? 0) + this.#connection.stream.writableLength
    // Whoever has nothing waiting may get a frame of any size.
    if (waitingBytes === 0) return false
    return waitingBytes + frame.bytes.length > maxBytes || (this.#tail?.frames ?? 0) + this.#writesInSocket >= maxWrites
  }

  readonly #onDrain = (): void => {
    this.#writesInSocket = 0
    this.waitingSince = 0
    this.flush()
  }
}
