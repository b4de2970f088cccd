import type { Offset } from '../model/message.ts'
import type { Protocol } from './protocol.ts'

const FIN = 0x80
const RSV1 = 0x40

/** Opcodes of RFC 6455 section 5.2 that the hub writes. */
export const OPCODE = { text: 0x1, binary: 0x2, close: 0x8, ping: 0x9 } as const
/** One of the opcodes in `OPCODE`. */
export type Opcode = typeof OPCODE[keyof typeof OPCODE]

/** Makes a frame of a payload, compressed or not. */
export type FrameEncoder = (opcode: Opcode, payload: string | Uint8Array) => Buffer

/**
 * One unfragmented, unmasked server frame (RFC 6455 section 5.2) as a single Buffer: header and payload.
 * The length takes 7, 16 or 64 bits, always the shortest form.
 *
 * @param isCompressed The payload is deflated: sets RSV1 (RFC 7692 section 6).
 */
export function encodeFrame (opcode: Opcode, payload: string | Uint8Array, isCompressed = false): Buffer {
  const length = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength
  const headerBytes = length < 126 ? 2 : length < 65536 ? 4 : 10
  // Not from Buffer's shared pool: a frame queued for a slow client outlives the tick and would keep the whole pool
  // alive.
  const frame = Buffer.allocUnsafeSlow(headerBytes + length)
  frame[0] = FIN | (isCompressed ? RSV1 : 0) | opcode
  if (headerBytes === 2) {
    frame[1] = length
  } else if (headerBytes === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2)
    frame.writeUInt32BE(length % 2 ** 32, 6)
  }
  if (typeof payload === 'string') frame.write(payload, headerBytes)
  else frame.set(payload, headerBytes)
  return frame
}

/** Payload of every Ping frame. The text is part of the documented wire format: existing clients compare it. */
const PING_PAYLOAD = 'Server->Ping->Client'

/** The Ping frame of the heartbeat (RFC 6455 section 5.5.2). */
export const ping: Buffer = encodeFrame(OPCODE.ping, PING_PAYLOAD)

/**
 * An ack probe: a Ping frame that carries an offset. A Pong repeats the payload (RFC 6455 section 5.5.3) and the peer
 * reads in order, so the Pong proves that the peer has read every earlier frame.
 */
export function encodeProbe (offset: Offset): ReturnType<Protocol['encodeProbe']> {
  const pong = `${PING_PAYLOAD} ${offset}`
  return { bytes: encodeFrame(OPCODE.ping, pong), pong }
}
