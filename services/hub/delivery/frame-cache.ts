import type { Clock } from '../../lib/clock.ts'
import { warnSafely, type Log } from '../../lib/log.ts'
import type { Message, Offset } from '../../model/message.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import { Frame, type Delivery } from '../outbox/batch.ts'

/** Frames of one protocol that are kept, at most. */
const MAX_FRAMES = 512
/** Bytes of all kept frames of one protocol, at most; the last frame is kept at any size. */
const MAX_BYTES = 1024 ** 2

/**
 * Bytes of a message with its envelope that most client libraries read by default. Longer messages end the connections
 * of others.
 */
const MAX_READ_BYTES = 65_536
/** Largest header of a frame (RFC 6455 section 5.2). */
const MAX_HEADER_BYTES = 10
const WARNING_PERIOD_MS = 60_000

/** The frames of one protocol that were made last, by the offset of the message. */
interface Frames {
  readonly byOffset: Map<Offset, Frame>
  byteLength: number
}

/**
 * Makes the frames of messages, for live clients and for clients that catch up: the only place that encodes a message.
 * All clients of a protocol share the bytes. The frames that were made last are kept, because a client that catches up
 * is most often near the head, or near other clients that catch up.
 */
export class FrameCache {
  readonly #protocols = new Map<Protocol, Frames>()
  readonly #clock: Clock
  readonly #log: Log
  /** Steady time in ms of the last warning of a long frame. */
  #warnedAt = -Infinity

  constructor (clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** Returns the frame of a message that is read from the log. */
  frame (protocol: Protocol, message: Message): Frame {
    const frames = this.#framesOf(protocol)
    const kept = frames.byOffset.get(message.offset)
    if (kept !== undefined) return kept
    const frame = new Frame(protocol.encode(message), null, undefined, ackOffsetOf(message, protocol))
    const { length } = frame.bytes
    if (length > MAX_READ_BYTES + MAX_HEADER_BYTES) this.#warnOfLength(protocol, message, length)
    // A message that the log does not keep is never read again.
    if (message.keep !== false) keep(frames, message.offset, frame)
    return frame
  }

  /**
   * Makes the frame of a new message for live clients. The frame shares the bytes of `frame`, but counts in the
   * delivery of the message, and newer frames with the same conflate key replace the frame in the queue of a slow
   * client.
   */
  liveFrame (protocol: Protocol, message: Message, delivery: Delivery): Frame {
    const { bytes, ackOffset } = this.frame(protocol, message)
    return new Frame(bytes, delivery, message.conflate, ackOffset)
  }

  /** Warns of a message that many clients cannot read, once a minute. */
  #warnOfLength ({ name: protocol }: Protocol, { offset, address }: Message, bytes: number): void {
    const now = this.#clock.steady()
    if (now < this.#warnedAt + WARNING_PERIOD_MS) return
    this.#warnedAt = now
    const sentence = `a message has more than ${MAX_READ_BYTES} bytes with its envelope, more than many client libraries ` +
      'read; lower websocket.maxMessageSize, or raise the read limit of the clients'
    warnSafely(this.#log, { protocol, bytes, offset, address }, sentence)
  }

  #framesOf (protocol: Protocol): Frames {
    const known = this.#protocols.get(protocol)
    if (known !== undefined) return known
    const frames = { byOffset: new Map<Offset, Frame>(), byteLength: 0 }
    this.#protocols.set(protocol, frames)
    return frames
  }
}

/** Keeps a frame, and drops the oldest frames over the bounds. */
function keep (frames: Frames, offset: Offset, frame: Frame): void {
  const { byOffset } = frames
  byOffset.set(offset, frame)
  frames.byteLength += frame.bytes.length
  for (const [oldest, { bytes }] of byOffset) {
    if (byOffset.size <= MAX_FRAMES && (frames.byteLength <= MAX_BYTES || byOffset.size === 1)) return
    byOffset.delete(oldest)
    frames.byteLength -= bytes.length
  }
}

/**
 * The offset that a client of this protocol has to acknowledge: that of a message to a user, or of every message with
 * `acknowledgesAll`, as far as the log keeps the message; null for every other message.
 */
function ackOffsetOf ({ address, keep, offset }: Message, { acknowledgesAll = false }: Protocol): Offset | null {
  return keep !== false && (acknowledgesAll || 'user' in address) ? offset : null
}
