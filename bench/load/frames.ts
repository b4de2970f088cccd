import { readStamp, STAMP_BYTES } from '../rig/clocks/stamp.ts'

const OPCODE = 0x0f
const CONTROL = 0x08
const COMPRESSED = 0x40
const LENGTH = 0x7f

/** Handling of the frames that a frame counter does not count. */
interface FrameHandlers {
  /** Uncompressed data frames shorter than this are passed on; all others are counted and discarded. */
  minBytes: number
  /** Position of the time of sending in a counted frame, if it has one. */
  stampAt: number | undefined
  /** Called when a frame is complete; the time is 0 in frames without a time of sending. */
  counted (sentUs: number): void
  other (opcode: number, payload: Buffer): void
}

/** Parses server frames (RFC 6455, 5.2) at the lowest cost: only the time of a counted frame is read. */
export class FrameCounter {
  readonly #handlers: FrameHandlers
  #rest: Buffer | undefined
  #skip = 0
  #sentUs = 0

  constructor (handlers: FrameHandlers) {
    this.#handlers = handlers
  }

  read (bytes: Buffer): void {
    const input = this.#rest === undefined ? bytes : Buffer.concat([this.#rest, bytes])
    this.#rest = undefined
    let at = this.#skipPayload(input)
    while (at < input.length) {
      const next = this.#frame(input, at)
      if (next === undefined) {
        this.#rest = Buffer.from(input.subarray(at)) // a copy, because the caller reuses its memory
        return
      }
      at = next
    }
  }

  #skipPayload (input: Buffer): number {
    if (this.#skip === 0) return 0
    const skipped = Math.min(this.#skip, input.length)
    this.#skip -= skipped
    if (this.#skip === 0) this.#handlers.counted(this.#sentUs)
    return skipped
  }

  /** Returns the position after the frame that starts here, or undefined while the frame is incomplete. */
  #frame (input: Buffer, at: number): number | undefined {
    if (input.length < at + 2) return undefined
    const first = input[at] ?? 0
    const opcode = first & OPCODE
    let length = (input[at + 1] ?? 0) & LENGTH
    let start = at + 2
    if (length > 125) {
      start += length === 126 ? 2 : 8
      if (input.length < start) return undefined
      length = length === 126 ? input.readUInt16BE(at + 2) : Number(input.readBigUInt64BE(at + 2))
    }
    const end = start + length
    if (opcode < CONTROL && (length >= this.#handlers.minBytes || (first & COMPRESSED) !== 0)) {
      const { stampAt } = this.#handlers
      if (stampAt !== undefined) {
        if (input.length < start + stampAt + STAMP_BYTES) return undefined
        this.#sentUs = readStamp(input, start + stampAt)
      }
      if (end > input.length) this.#skip = end - input.length
      else this.#handlers.counted(this.#sentUs)
      return end
    }
    if (end > input.length) return undefined
    this.#handlers.other(opcode, input.subarray(start, end))
    return end
  }
}

/** Returns a client frame of up to 125 bytes, masked with zeros, which leaves the payload unchanged (RFC 6455, 5.3). */
export function clientFrame (opcode: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}
