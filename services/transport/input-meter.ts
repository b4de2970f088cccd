import type { Clock } from '../lib/clock.ts'
import { RateLimit } from '../lib/rate-limit.ts'
import { envelopeBytes } from './http/request-body.ts'

/** Fragments of one message at most. */
export const MAX_FRAGMENTS = 16_384
/** Fragments that a client may send for each message of its rate. */
const FRAGMENTS_PER_MESSAGE = 10
/** A control frame counts as this many fragments, so that a client may send as many control frames as messages. */
const CONTROL_FRAME = FRAGMENTS_PER_MESSAGE

/** The rates of the bytes and fragments that one client may send; 0 is no limit. */
export interface InputLimits {
  readonly bytesPerSecond: number
  /** Bytes at once. */
  readonly burstBytes: number
  readonly fragmentsPerSecond: number
  /** Fragments at once. */
  readonly burstFragments: number
}

/** The limits of a configuration. At once, a client may send the largest message, in as many fragments as allowed. */
export function inputLimits ({ bytesPerSecond, messagesPerSecond, maxMessageSize }: {
  readonly bytesPerSecond: number
  readonly messagesPerSecond: number
  readonly maxMessageSize: number
}): InputLimits {
  const fragmentsPerSecond = FRAGMENTS_PER_MESSAGE * messagesPerSecond
  return {
    bytesPerSecond,
    burstBytes: bytesPerSecond + envelopeBytes(maxMessageSize),
    fragmentsPerSecond,
    burstFragments: fragmentsPerSecond + MAX_FRAGMENTS
  }
}

/** Parts of a burst: the rates count once for each part. */
const PARTS = 16

const FIN = 0x80
const OPCODE = 0x0F
const MASKED = 0x80
const LENGTH = 0x7F
const CONTINUATION = 0
const CLOSE = 8
const PONG = 10

/**
 * Counts the bytes of a client, and the frames that are no whole message: fragments and control frames, for which the
 * `ws` library has no event or no limit. Reads the headers of frames (RFC 6455 section 5.2) and skips their payloads.
 * Pongs that answer pings of the hub are free.
 */
export class InputMeter {
  readonly #limits: InputLimits
  readonly #clock: Clock
  /** The rates of bytes and of fragments; null until the client has sent a part of a burst, as most never do. */
  #rates: readonly [bytes: RateLimit, fragments: RateLimit] | null = null
  /** Bytes and fragments that the rates have not counted yet. */
  #newBytes = 0
  #newFragments = 0
  #pongs = 0
  /** Bytes to skip: the rest of a masking key and of a payload. */
  #skip = 0
  /** First byte of the header that is being read; -1 between two frames. */
  #first = -1
  #maskBytes = 0
  #length = 0
  /** Bytes of the length that follow. */
  #lengthBytes = 0

  constructor (limits: InputLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /**
   * Counts a chunk of the stream. Returns false over a limit, and then allows a whole burst again: the client has sent
   * some of its frames before it can read the Close frame.
   *
   * @param pings Pings that the hub has sent to the client so far.
   */
  allow (chunk: Uint8Array, pings: number): boolean {
    this.#newBytes += chunk.length
    this.#newFragments += this.#countFragments(chunk, pings)
    // Most chunks are small: they need no reading of the clock.
    const { burstBytes, burstFragments } = this.#limits
    if (this.#newBytes < burstBytes / PARTS && this.#newFragments < burstFragments / PARTS) return true
    const isAllowed = this.#countNew()
    if (!isAllowed) this.#rates = null
    return isAllowed
  }

  #countNew (): boolean {
    const { bytesPerSecond, burstBytes, fragmentsPerSecond, burstFragments } = this.#limits
    this.#rates ??= [new RateLimit(bytesPerSecond, burstBytes), new RateLimit(fragmentsPerSecond, burstFragments)]
    const [bytes, fragments] = this.#rates
    const [newBytes, newFragments, now] = [this.#newBytes, this.#newFragments, this.#clock.steady()]
    this.#newBytes = 0
    this.#newFragments = 0
    return bytes.allow(now, newBytes) && fragments.allow(now, newFragments)
  }

  /** The fragments and control frames whose headers end in a chunk, counted as fragments. */
  #countFragments (chunk: Uint8Array, pings: number): number {
    let fragments = 0
    let at = this.#skip
    while (at < chunk.length) {
      if (!this.#readHeader(chunk[at++] as number)) continue
      at += this.#maskBytes + this.#length
      fragments += this.#weight(this.#first, pings)
      this.#first = -1
    }
    this.#skip = at - chunk.length
    return fragments
  }

  /** Reads a byte of a header. Returns true for the last byte before the masking key. */
  #readHeader (byte: number): boolean {
    if (this.#first === -1) {
      this.#first = byte
      return false
    }
    if (this.#lengthBytes > 0) {
      this.#length = 256 * this.#length + byte
      this.#lengthBytes--
    } else {
      const length = byte & LENGTH
      this.#maskBytes = (byte & MASKED) === 0 ? 0 : 4
      this.#lengthBytes = length < 126 ? 0 : length === 126 ? 2 : 8
      this.#length = this.#lengthBytes === 0 ? length : 0
    }
    return this.#lengthBytes === 0
  }

  /** What a frame with this first byte counts, in fragments; 0 for a whole message. */
  #weight (first: number, pings: number): number {
    const opcode = first & OPCODE
    if (opcode === PONG && this.#pongs < pings) {
      this.#pongs++
      return 0
    }
    if (opcode >= CLOSE) return CONTROL_FRAME
    return opcode === CONTINUATION || (first & FIN) === 0 ? 1 : 0
  }
}
