import type { Offset } from '../model/message.ts'
import type { Protocol } from './protocol.ts'

const FIN = 0x80
const RSV1 = 0x40

/** Frame types of RFC 6455 section 5.2 that a server writes. */
export const OPCODE = { text: 0x1, binary: 0x2, close: 0x8, ping: 0x9 } as const
export type Opcode = typeof OPCODE[keyof typeof OPCODE]

/** Makes a frame of a payload: as it is, or compressed. */
export type FrameEncoder = (opcode: Opcode, payload: string | Uint8Array) => Buffer

/**
 * One unfragmented, unmasked server frame (RFC 6455 section 5.2) as a single Buffer: header and payload.
 * The length takes 7, 16 or 64 bits, always the shortest form. `isCompressed` sets RSV1 (RFC 7692 section 6): the
 * payload has been deflated.
 */
export function encodeFrame (opcode: Opcode, payload: string | Uint8Array, isCompressed = false): Buffer {
  const length = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength
  const headerBytes = length < 126 ? 2 : length < 65536 ? 4 : 10
  // Not from Buffer's shared pool: a frame outlives its tick when it waits for a slow client, and would keep the pool alive.
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

/** What clients of the older Go services know to be in a ping. */
const PAYLOAD = 'Server->Ping->Client'

/** The Ping frame of the heartbeat (RFC 6455 section 5.5.2). */
export const ping: Buffer = encodeFrame(OPCODE.ping, PAYLOAD)

/**
 * A Ping frame that carries an offset. The Pong must repeat its payload (RFC 6455 section 5.5.3) and the peer reads in
 * order, so the Pong proves that it has read everything that was written before.
 */
export function encodeProbe (offset: Offset): ReturnType<Protocol['encodeProbe']> {
  const pong = `${PAYLOAD} ${offset}`
  return { bytes: encodeFrame(OPCODE.ping, pong), pong }
}
