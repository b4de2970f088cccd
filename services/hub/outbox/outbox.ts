import { Backlog } from './backlog.ts'
import type { Batch, Frame } from './batch.ts'
import type { Connection } from './connection.ts'
import type { Flusher } from './flusher.ts'

/** What happens when more would wait for a client than may. */
export type SlowClientPolicy =
  /** The frame is not taken: the client gets it from the log when it has caught up. */
  | 'catchUp'
  /** The client is cut. */
  | 'disconnect'
  /** The frame that does not fit is lost. */
  | 'dropNewest'
  /** The oldest frames are lost. */
  | 'dropOldest'
  /** As dropOldest; and from the moment on that the socket is full, of the frames with one `conflate` key only the newest waits. */
  | 'latest'

/** How much may wait for one client. */
export interface OutboxLimits {
  /** Bytes that wait here and in the socket. */
  readonly maxBytes: number
  /** Frames that wait here and writes that wait in the socket: each costs memory of its own, however small. */
  readonly maxWrites: number
  readonly policy: SlowClientPolicy
}

/** What leaves a backlog in one write. What is in the socket can no longer give way to anything newer, so it should not be much. */
const BACKLOG_WRITE_BYTES = 65_536
const NOTHING = Buffer.alloc(0)

/**
 * What one client still has to be written, and the only code that writes to a connection. At most one write per tick;
 * while the socket is full, frames wait in a batch that clients in the same place share, or in a backlog of the client's
 * own when older frames may give way to newer ones.
 */
export class Outbox {
  /** Frames handed to the socket. */
  delivered = 0
  /** Frames that were not, because the client was over its limit. */
  dropped = 0
  /** Offset of the first message that was dropped and would have had to be acknowledged; Infinity while none was. */
  firstLostOffset = Infinity
  readonly #connection: Connection
  readonly #flusher: Flusher
  readonly #limits: OutboxLimits
  #tail: Batch | null = null
  #backlog: Backlog | null = null // In place of the tail, from the first overflow on until it is empty.
  /** Bytes that were in the socket when it was asked last, which is not for every frame. */
  #bytesInSocket = 0
  #writesInSocket = 0
  /** Since when what waits longest has been waiting, once the socket has not taken all it was given; 0 while it has. */
  #waitingSince = 0
  #isAwaitingSocket = false
  #onDrained: (() => void) | null = null

  constructor (connection: Connection, flusher: Flusher, limits: OutboxLimits) {
    this.#connection = connection
    this.#flusher = flusher
    this.#limits = limits
  }

  /** Whether anything waits that the operating system has not taken. */
  get isBehind (): boolean {
    return this.#tail !== null || this.#backlog !== null || this.#connection.stream.writableLength > 0
  }

  /** Takes a frame to be written at the next flush. Over its limit, this frame or older ones are dropped and counted; with `catchUp` it answers false instead. */
  push (frame: Frame): boolean {
    return this.offer(frame) || this.#overflow(frame)
  }

  /** The same, but over its limit it answers false, whatever the policy. */
  offer (frame: Frame): boolean {
    this.#flusher.runDeferred()
    if (this.#isFull(frame)) {
      // A burst within one tick is no reason to call a client slow: offer it to the socket first.
      this.flush()
      this.#bytesInSocket = this.#connection.stream.writableLength
      if (this.#isFull(frame)) return false
    }
    if (this.#tail !== null) this.#tail = this.#tail.add(frame)
    else this.#begin(frame)
    return true
  }

  /** Counts a frame that the client does not get. */
  drop ({ delivery, ackOffset: toAcknowledge }: Frame): void {
    this.dropped++
    this.#flusher.counters.dropped++
    if (delivery !== null) delivery.dropped++
    if (toAcknowledge !== null) this.firstLostOffset = Math.min(this.firstLostOffset, toAcknowledge)
  }

  /** Resolves when nothing waits any more, here or in the socket; never when the connection ends before. One caller at a time. */
  drained (): Promise<void> {
    if (!this.isBehind) return Promise.resolve()
    if (this.#tail === null && this.#backlog === null) this.#awaitSocket()
    return new Promise((resolve) => { this.#onDrained = resolve })
  }

  /** Takes in a batch that many get, unless something is to be written before it or it does not fit: then answers false, and its frames have to be pushed. */
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

  /** Writes what waits, in one write, unless the socket is full: then it is written when the socket has drained. */
  flush (): void {
    if (this.#tail === null) return
    const { stream } = this.#connection
    // A socket that has just taken a lot at once still asks to be left alone until the next tick; it need not be.
    if (!stream.writableNeedDrain || stream.writableLength === 0) {
      this.#write(this.#tail)
      this.#noteDrained()
      return
    }
    this.#awaitSocket()
    if (this.#limits.policy === 'latest') this.#toBacklog()
  }

  /** Writes what waits even to a full socket, because a Close frame comes next and nothing may follow that. */
  flushLast (): void {
    this.#flusher.runDeferred()
    this.#write(this.#tail ?? this.#backlog?.take(Infinity, this.#flusher.now()) ?? null)
    this.#backlog = null
  }

  /** For how long, in ms, what waits longest has been waiting; of a backlog, what is in the socket. 0 when the socket takes all it is given. */
  blockedMs (now: number): number {
    this.#noteTaken()
    return this.#waitingSince === 0 ? 0 : now - this.#waitingSince
  }

  #write (batch: Batch | null): void {
    const { stream, isOpen } = this.#connection
    this.#tail = null
    if (batch === null || !isOpen) return
    this.#noteTaken()
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
    if (this.#waitingSince === 0) this.#waitingSince = batch.since
  }

  #noteDrained (): void {
    const { isOpen, stream } = this.#connection
    if (this.#onDrained === null || this.#tail !== null || this.#backlog !== null || !isOpen) return
    if (stream.writableLength > 0) return this.#awaitSocket()
    const tell = this.#onDrained
    this.#onDrained = null
    tell()
  }

  #noteTaken (): void {
    if (this.#connection.stream.writableLength > 0) return
    this.#writesInSocket = 0
    if (this.#tail === null) this.#waitingSince = 0
  }

  /** Also for what others wrote: the `ws` library's own frames may be what filled the socket. */
  #awaitSocket (): void {
    if (this.#isAwaitingSocket) return
    this.#isAwaitingSocket = true
    if (this.#waitingSince === 0) this.#waitingSince = this.#flusher.now()
    const resume = (): void => {
      this.#isAwaitingSocket = false
      this.#waitingSince = 0
      this.flush()
      this.#writeBacklog()
      this.#noteDrained()
    }
    const { stream } = this.#connection
    if (stream.writableNeedDrain) stream.once('drain', resume)
    // Many small writes wait, not enough for a drain event; an empty write is done when they are.
    else stream.write(NOTHING, resume)
  }

  /** Writes from the backlog for as long as the socket takes everything at once. */
  #writeBacklog (): void {
    while (this.#backlog !== null) {
      if (this.#connection.stream.writableLength > 0) return this.#awaitSocket()
      this.#write(this.#backlog.take(BACKLOG_WRITE_BYTES, this.#flusher.now()))
      if (this.#backlog.frames === 0) this.#backlog = null
    }
  }

  #begin (frame: Frame): void {
    this.#bytesInSocket = this.#connection.stream.writableLength
    this.#tail = this.#flusher.begin(frame)
    this.#flusher.add(this)
  }

  #isFull (frame: Frame): boolean {
    if (this.#backlog !== null) return true
    const { maxBytes, maxWrites } = this.#limits
    const tail = this.#tail
    if (tail !== null) return this.#bytesInSocket + tail.byteLength + frame.bytes.length > maxBytes || this.#writesInSocket + tail.frames >= maxWrites
    const { writableLength } = this.#connection.stream
    // Whoever has nothing waiting may get a frame of any size.
    return writableLength > 0 && (writableLength + frame.bytes.length > maxBytes || this.#writesInSocket >= maxWrites)
  }

  #overflow (frame: Frame): boolean {
    const { policy } = this.#limits
    if (policy === 'catchUp') return false
    if (policy === 'disconnect' || policy === 'dropNewest') this.drop(frame)
    else this.#keep(this.#backlog ?? this.#toBacklog(), frame)
    return true
  }

  /** Makes what waits the client's own. */
  #toBacklog (): Backlog {
    this.#awaitSocket()
    const backlog = this.#backlog ??= new Backlog(this.#limits.policy === 'latest')
    const waiting = this.#tail?.list() ?? []
    this.#tail = null
    for (const frame of waiting) this.#keep(backlog, frame)
    return backlog
  }

  /** Adds to the backlog; what is over the limit leaves at the old end, but never the newest. */
  #keep (backlog: Backlog, frame: Frame): void {
    const superseded = backlog.add(frame)
    if (superseded !== undefined) this.drop(superseded)
    const { maxBytes, maxWrites } = this.#limits
    // However much is in the socket, the backlog has some room, or only one frame of many could stay.
    const room = Math.max(maxBytes - this.#connection.stream.writableLength, Math.min(maxBytes, BACKLOG_WRITE_BYTES))
    while (backlog.frames > 1 && (backlog.byteLength > room || backlog.frames > maxWrites)) {
      const oldest = backlog.shift()
      if (oldest !== undefined) this.drop(oldest)
    }
  }
}
