import { Backlog } from './backlog.ts'
import type { Batch, Frame } from './batch.ts'
import type { Connection } from './connection.ts'
import type { Flusher } from './flusher.ts'

/** Policy for a frame that does not fit into a client's outbox: the client is a slow client. */
export type SlowClientPolicy =
  /** The frame is not queued. The client falls behind and reads the message from the log when it catches up. */
  | 'catchUp'
  /** The frame is dropped and the connection is terminated. */
  | 'disconnect'
  /** The frame is dropped. */
  | 'dropNewest'
  /** The oldest queued frames are dropped. */
  | 'dropOldest'
  /** As dropOldest; and while the socket is full, only the newest frame of each `conflate` key stays queued. */
  | 'latest'

/** Bounds of one client's outbox. */
export interface OutboxLimits {
  /** Bytes in the outbox and in the socket's buffer, together. */
  readonly maxBytes: number
  /** Frames in the outbox plus writes in the socket's buffer: each costs memory of its own, however few bytes. */
  readonly maxWrites: number
  /** Treatment of a frame that exceeds a bound. */
  readonly policy: SlowClientPolicy
}

/** Bytes of a backlog that leave in one write: 64 KiB. Newer frames cannot replace a frame that is in the socket. */
const BACKLOG_WRITE_BYTES = 65_536
const EMPTY = Buffer.alloc(0)

/**
 * Frames queued for one client, and the only code that writes to the client's connection. At most one write per tick.
 * While the socket is full, the frames stay in a batch, which the client shares with all clients that have the same
 * frames queued. With a policy that drops older frames, the frames move to a backlog of the client's own.
 */
export class Outbox {
  /** Frames written to the socket. */
  delivered = 0
  /** Frames not written, because the outbox was over its limit. */
  dropped = 0
  /**
   * Offset of the first dropped message that the client would have had to acknowledge; Infinity while no such message
   * was dropped.
   */
  firstLostOffset = Infinity
  readonly #connection: Connection
  readonly #flusher: Flusher
  readonly #limits: OutboxLimits
  /** The queued frames; null while no frame is queued, and while there is a backlog. */
  #tail: Batch | null = null
  /** The queued frames in place of the tail, from the first overflow until the backlog is empty. */
  #backlog: Backlog | null = null
  /** Bytes in the socket's buffer at the last look; the outbox does not look for every frame. */
  #bytesInSocket = 0
  #writesInSocket = 0
  /**
   * When the oldest frame that the socket has not taken was queued, in ms on the steady clock; 0 while the socket has
   * taken all bytes.
   */
  #blockedSince = 0
  #isAwaitingSocket = false
  #onDrained: (() => void) | null = null

  constructor (connection: Connection, flusher: Flusher, limits: OutboxLimits) {
    this.#connection = connection
    this.#flusher = flusher
    this.#limits = limits
  }

  /** The policy for a frame that does not fit. */
  get policy (): SlowClientPolicy {
    return this.#limits.policy
  }

  /** Whether frames are queued, here or in the socket's buffer, that the operating system has not taken. */
  get isBehind (): boolean {
    return this.#tail !== null || this.#backlog !== null || this.#connection.stream.writableLength > 0
  }

  /**
   * Queues a frame for the next flush. Over the limit, the policy applies: this frame or older frames are dropped and
   * counted. Returns false only with the policy `catchUp`, for a frame that is neither queued nor counted.
   */
  push (frame: Frame): boolean {
    return this.offer(frame) || this.#overflow(frame)
  }

  /** Delivers the messages that are pending for everyone, before other frames of this client. */
  deliverPending (): void {
    this.#flusher.deliverPending()
  }

  /** Queues a frame for the next flush, as `push` does, but returns false over the limit with every policy. */
  offer (frame: Frame): boolean {
    this.deliverPending()
    if (this.#isFull(frame)) {
      // A burst within one tick does not make a client slow: the socket gets the queued frames first.
      this.flush()
      this.#bytesInSocket = this.#connection.stream.writableLength
      if (this.#isFull(frame)) return false
    }
    if (this.#tail !== null) this.#tail = this.#tail.add(frame)
    else this.#begin(frame)
    return true
  }

  /** Counts a frame that the client does not receive. */
  drop ({ delivery, ackOffset }: Frame): void {
    this.dropped++
    this.#flusher.counters.dropped++
    if (delivery !== null) delivery.dropped++
    if (ackOffset !== null) this.firstLostOffset = Math.min(this.firstLostOffset, ackOffset)
  }

  /**
   * Resolves when no frame is queued, here or in the socket; never when the connection ends before. One caller at a
   * time.
   */
  drained (): Promise<void> {
    if (!this.isBehind) return Promise.resolve()
    if (this.#tail === null && this.#backlog === null) this.#awaitSocket()
    return new Promise((resolve) => { this.#onDrained = resolve })
  }

  /**
   * Queues a batch that many clients receive. Returns false when frames are queued already or when the batch does not
   * fit: the caller then pushes the frames one by one.
   */
  accept (batch: Batch): boolean {
    if (this.#tail !== null || this.#backlog !== null) return false
    const { maxBytes, maxWrites } = this.#limits
    const { writableLength } = this.#connection.stream
    const writes = writableLength === 0 ? 0 : this.#writesInSocket
    if (writableLength + batch.byteLength > maxBytes || writes + batch.frames > maxWrites) return false
    this.#bytesInSocket = writableLength
    this.#tail = batch
    this.#flusher.add(this)
    return true
  }

  /** Writes the queued frames in one write. While the socket is full, the write follows when the socket has drained. */
  flush (): void {
    if (this.#tail === null) return
    const { stream } = this.#connection
    // A socket that took many bytes at once still asks for a drain event until the next tick; the outbox need not wait.
    if (!stream.writableNeedDrain || stream.writableLength === 0) {
      this.#write(this.#tail)
      this.#resolveDrained()
      return
    }
    this.#awaitSocket()
    if (this.#limits.policy === 'latest') this.#moveToBacklog()
  }

  /**
   * Writes the queued frames even to a full socket, because a Close frame comes next and no frame may follow a Close
   * frame.
   */
  flushLast (): void {
    this.deliverPending()
    this.#write(this.#tail ?? this.#backlog?.take(Infinity, this.#flusher.now()) ?? null)
    this.#backlog = null
  }

  /**
   * Returns the age of the oldest frame that the socket has not taken, in ms, at the time `now` on the steady clock; 0
   * when the socket takes all bytes at once. Frames in a backlog do not count, only the frames in the socket's buffer.
   */
  blockedMs (now: number): number {
    this.#noteTaken()
    return this.#blockedSince === 0 ? 0 : now - this.#blockedSince
  }

  #write (batch: Batch | null): void {
    const { stream, isOpen } = this.#connection
    this.#tail = null
    if (batch === null || !isOpen) return
    this.#noteTaken()
    try {
      stream.write(batch.bytes())
    } catch {
      // A stream that throws is broken. The end is reported like the end of any connection; other clients are not
      // affected.
      this.#connection.terminate()
      return
    }
    this.delivered += batch.frames
    this.#flusher.onWrite(batch, stream)
    if (stream.writableLength === 0) return
    this.#writesInSocket++
    if (this.#blockedSince === 0) this.#blockedSince = batch.queuedAt
  }

  /** Resolves the promise of `drained` when no frame is queued any more. */
  #resolveDrained (): void {
    const { isOpen, stream } = this.#connection
    if (this.#onDrained === null || this.#tail !== null || this.#backlog !== null || !isOpen) return
    if (stream.writableLength > 0) return this.#awaitSocket()
    const resolve = this.#onDrained
    this.#onDrained = null
    resolve()
  }

  /** Resets the figures about the socket once the socket has taken all bytes. */
  #noteTaken (): void {
    if (this.#connection.stream.writableLength > 0) return
    this.#writesInSocket = 0
    if (this.#tail === null) this.#blockedSince = 0
  }

  /**
   * Continues writing when the socket has drained. Also covers bytes that the outbox did not write: the `ws` library's
   * own control frames may have filled the socket.
   */
  #awaitSocket (): void {
    if (this.#isAwaitingSocket) return
    this.#isAwaitingSocket = true
    if (this.#blockedSince === 0) this.#blockedSince = this.#flusher.now()
    const onSocketDrained = (): void => {
      this.#isAwaitingSocket = false
      this.#blockedSince = 0
      this.flush()
      this.#writeBacklog()
      this.#resolveDrained()
    }
    const { stream } = this.#connection
    if (stream.writableNeedDrain) stream.once('drain', onSocketDrained)
    // Many small writes are buffered, too few bytes for a drain event. An empty write calls back after all earlier
    // writes.
    else stream.write(EMPTY, onSocketDrained)
  }

  /** Writes from the backlog for as long as the socket takes all bytes at once. */
  #writeBacklog (): void {
    while (this.#backlog !== null) {
      if (this.#connection.stream.writableLength > 0) return this.#awaitSocket()
      this.#write(this.#backlog.take(BACKLOG_WRITE_BYTES, this.#flusher.now()))
      if (this.#backlog.frames === 0) this.#backlog = null
    }
  }

  #begin (frame: Frame): void {
    this.#bytesInSocket = this.#connection.stream.writableLength
    this.#tail = this.#flusher.startBatch(frame)
    this.#flusher.add(this)
  }

  #isFull (frame: Frame): boolean {
    if (this.#backlog !== null) return true
    const { maxBytes, maxWrites } = this.#limits
    const tail = this.#tail
    if (tail !== null) {
      const byteLength = this.#bytesInSocket + tail.byteLength + frame.bytes.length
      return byteLength > maxBytes || this.#writesInSocket + tail.frames >= maxWrites
    }
    const { writableLength } = this.#connection.stream
    // An empty outbox over an empty socket accepts a frame of any size.
    return writableLength > 0 && (writableLength + frame.bytes.length > maxBytes || this.#writesInSocket >= maxWrites)
  }

  #overflow (frame: Frame): boolean {
    const { policy } = this.#limits
    if (policy === 'catchUp') return false
    if (policy === 'disconnect' || policy === 'dropNewest') this.drop(frame)
    else this.#addToBacklog(this.#backlog ?? this.#moveToBacklog(), frame)
    return true
  }

  /** Moves the queued frames from the shared batch to the client's own backlog. */
  #moveToBacklog (): Backlog {
    this.#awaitSocket()
    const backlog = this.#backlog ??= new Backlog(this.#limits.policy === 'latest')
    const frames = this.#tail?.list() ?? []
    this.#tail = null
    for (const frame of frames) this.#addToBacklog(backlog, frame)
    return backlog
  }

  /**
   * Adds a frame to the backlog, and drops the oldest frames until the backlog is within its limit, but never the
   * newest frame.
   */
  #addToBacklog (backlog: Backlog, frame: Frame): void {
    const replaced = backlog.add(frame)
    if (replaced !== undefined) this.drop(replaced)
    const { maxBytes, maxWrites } = this.#limits
    // However full the socket is, the backlog gets a minimum of bytes; otherwise only one frame of many could stay
    // queued.
    const bytesInSocket = this.#connection.stream.writableLength
    const maxBacklogBytes = Math.max(maxBytes - bytesInSocket, Math.min(maxBytes, BACKLOG_WRITE_BYTES))
    while (backlog.frames > 1 && (backlog.byteLength > maxBacklogBytes || backlog.frames > maxWrites)) {
      const oldest = backlog.shift()
      if (oldest !== undefined) this.drop(oldest)
    }
  }
}
