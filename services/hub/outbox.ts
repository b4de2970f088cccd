import type { Batch, Frame } from './batch.ts'
import type { Connection } from './connection.ts'
import type { Flusher } from './flusher.ts'

/** How much may wait for one client. */
export interface OutboxLimits {
  /** Bytes that wait here and in the socket. */
  readonly maxBytes: number
  /** Frames that wait here and writes that wait in the socket: each costs memory of its own, however small. */
  readonly maxWrites: number
}

/**
 * What one client still has to be written, and the only code that writes to a connection. At most one write per tick;
 * while the socket is full, frames wait in a batch that clients in the same place share.
 */
export class Outbox {
  /** Frames handed to the socket. */
  delivered = 0
  /** Frames that were not, because the client was over its limit. */
  dropped = 0
  readonly #connection: Connection
  readonly #flusher: Flusher
  readonly #limits: OutboxLimits
  readonly #now: () => number
  #tail: Batch | null = null
  #writesInSocket = 0
  /** Since when the socket has not taken all it was given; 0 while it has. */
  #waitingSince = 0
  #isAwaitingDrain = false

  /** `now` is a steady clock in ms. */
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

  /** Writes what waits, in one write, unless the socket is full: then it is written when the socket has drained. */
  flush (): void {
    if (this.#tail === null) return
    if (this.#connection.stream.writableNeedDrain) this.#awaitDrain()
    else this.#write(this.#tail)
  }

  /** Writes what waits even to a full socket, because a Close frame comes next and nothing may follow that. */
  flushLast (): void {
    if (this.#tail !== null) this.#write(this.#tail)
  }

  /** For how long, in ms, the socket has not taken all it was given. */
  waitedFor (now: number): number {
    this.#noteDrained()
    return this.#waitingSince === 0 ? 0 : now - this.#waitingSince
  }

  #write (batch: Batch): void {
    const { stream, isOpen } = this.#connection
    this.#tail = null
    if (!isOpen) return
    this.#noteDrained()
    try {
      stream.write(batch.bytes())
    } catch {
      // A stream that throws is broken. Its end is reported like that of any connection; nobody else may suffer from it.
      this.#connection.terminate()
      return
    }
    this.delivered += batch.frames
    this.#flusher.wrote(batch, stream)
    if (stream.writableLength === 0) return
    this.#writesInSocket++
    if (this.#waitingSince === 0) this.#waitingSince = this.#now()
  }

  #noteDrained (): void {
    if (this.#connection.stream.writableLength > 0) return
    this.#writesInSocket = 0
    if (this.#tail === null) this.#waitingSince = 0
  }

  /** Also for what others wrote: the `ws` library's own frames may be what filled the socket. */
  #awaitDrain (): void {
    if (this.#isAwaitingDrain) return
    this.#isAwaitingDrain = true
    if (this.#waitingSince === 0) this.#waitingSince = this.#now()
    this.#connection.stream.once('drain', () => {
      this.#isAwaitingDrain = false
      this.#waitingSince = 0
      this.flush()
    })
  }

  #isFull (frame: Frame): boolean {
    const { maxBytes, maxWrites } = this.#limits
    const waitingBytes = (this.#tail?.byteLength ?? 0) + this.#connection.stream.writableLength
    // Whoever has nothing waiting may get a frame of any size.
    if (waitingBytes === 0) return false
    return waitingBytes + frame.bytes.length > maxBytes || (this.#tail?.frames ?? 0) + this.#writesInSocket >= maxWrites
  }
}
