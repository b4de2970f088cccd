import { constants, deflateRawSync } from 'node:zlib'
import { encodeFrame, type FrameEncoder } from './frame.ts'

/** Settings of permessage-deflate (RFC 7692). */
export interface DeflateOptions {
  /** Payloads with fewer bytes are not compressed. */
  readonly thresholdBytes: number
  /** zlib level, 1 (fastest) to 9 (smallest). */
  readonly level: number
}

/**
 * The bytes 00 00 ff ff at the end of a sync flush, which the sender removes and the receiver appends (RFC 7692 section
 * 7.2.1).
 */
const TAIL_BYTES = 4

/**
 * Makes an encoder of frames with a deflated payload (permessage-deflate, RFC 7692 section 7). Each frame is compressed
 * with an empty window, as under `server_no_context_takeover`, so that all clients can share the bytes, independent of
 * earlier frames. A payload that does not become smaller is framed uncompressed.
 */
export function createDeflatingEncoder ({ thresholdBytes, level }: DeflateOptions): FrameEncoder {
  return (opcode, payload) => {
    const bytes = Buffer.byteLength(payload)
    if (bytes < thresholdBytes) return encodeFrame(opcode, payload)
    const deflated = deflateRawSync(payload, { level, finishFlush: constants.Z_SYNC_FLUSH })
    if (deflated.length - TAIL_BYTES >= bytes) return encodeFrame(opcode, payload)
    return encodeFrame(opcode, deflated.subarray(0, -TAIL_BYTES), true)
  }
}
