import { readStamp, STAMP_BYTES } from '../rig/clocks/stamp.ts'

const OPCODE = 0x0f
const CONTROL = 0x08
const COMPRESSED = 0x40
const LENGTH = 0x7f

/** What a frame counter does with the frames that it does not count. */
interface FrameHandlers {
  /** Uncompressed data frames shorter than this are handed over; all others are counted and thrown away. */
  minBytes: number
  /** Where in a counted frame the time of sending stands, if anywhere. */
  stampAt: number | undefined
  /** Called when all of a frame is here; the time is 0 in frames without. */
  counted (sentUs: number): void
  other (opcode: number, payload: Buffer): void
}

/** Reads server frames (RFC 6455, 5.2) as cheaply as possible: of a counted frame only the time is looked at. */
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
        this.#rest = Buffer.from(input.subarray(at)) // a copy: the caller reuses its memory
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

  /** The place after the frame that starts here, or undefined while too little of it has come. */
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

/** A client's frame of up to 125 bytes, masked with zeros, which leaves the payload as it is (RFC 6455, 5.3). */
export function clientFrame (opcode: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}
