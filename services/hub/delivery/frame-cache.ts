import type { Message, Offset } from '../../model/message.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { ackOffsetOf } from './acknowledged.ts'
import { Frame } from '../outbox/batch.ts'

/** Frames that are kept of each protocol, and how large one may be: at most 4 MiB. */
const MAX_FRAMES = 512
const MAX_FRAME_BYTES = 8192

/** Messages from the log as frames. Clients that catch up together are in the same place, so the last ones are kept. */
export class FrameCache {
  readonly #known = new Map<Protocol, BoundedMap<Offset, Frame>>()

  frame (protocol: Protocol, message: Message): Frame {
    let frames = this.#known.get(protocol)
    if (frames === undefined) this.#known.set(protocol, frames = new BoundedMap<Offset, Frame>(MAX_FRAMES))
    const known = frames.get(message.offset)
    if (known !== undefined) return known
    const frame = new Frame(protocol.encode(message), null, undefined, ackOffsetOf(message, protocol))
    if (frame.bytes.length > MAX_FRAME_BYTES) return frame
    frames.set(message.offset, frame)
    return frame
  }
}
