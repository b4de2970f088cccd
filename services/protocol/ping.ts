import type { Offset } from '../model/message.ts'
import { OPCODE, encodeFrame } from './frame.ts'
import type { Protocol } from './protocol.ts'

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
