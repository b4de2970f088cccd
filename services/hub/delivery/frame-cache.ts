import type { Message, Offset } from '../../model/message.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { Frame, type Delivery } from '../outbox/batch.ts'

/**
 * Encodes a message as the frame for all clients of a protocol.
 *
 * @param delivery - counts of the message; null for a frame that is read from the log
 * @param conflate - conflate key for slow clients; undefined for a frame that newer frames must not replace
 */
export function frameOf (
  message: Message, protocol: Protocol, delivery: Delivery | null = null, conflate?: string
): Frame {
  return new Frame(protocol.encode(message), delivery, conflate, ackOffsetOf(message, protocol))
}

/**
 * The offset that a client of this protocol has to acknowledge: that of a message to a user, or of every message with
 * `acknowledgesAll`, as far as the log keeps the message; null for every other message.
 */
function ackOffsetOf ({ address, keep, offset }: Message, { acknowledgesAll = false }: Protocol): Offset | null {
  return keep !== false && (acknowledgesAll || 'user' in address) ? offset : null
}

/** Frames cached for each protocol, and the largest cached frame in bytes: at most 4 MiB in all. */
const MAX_FRAMES = 512
const MAX_FRAME_BYTES = 8192

/**
 * Caches the frames of messages that are read from the log. Clients that catch up at the same time are near the same
 * offset, so the newest 512 frames of each protocol are enough to encode most messages once.
 */
export class FrameCache {
  readonly #frames = new Map<Protocol, BoundedMap<Offset, Frame>>()

  /** Returns the frame of a message from the log, encoded at the first call. */
  frame (protocol: Protocol, message: Message): Frame {
    let frames = this.#frames.get(protocol)
    if (frames === undefined) this.#frames.set(protocol, frames = new BoundedMap<Offset, Frame>(MAX_FRAMES))
    const cached = frames.get(message.offset)
    if (cached !== undefined) return cached
    const frame = frameOf(message, protocol)
    if (frame.bytes.length > MAX_FRAME_BYTES) return frame
    frames.set(message.offset, frame)
    return frame
  }
}
