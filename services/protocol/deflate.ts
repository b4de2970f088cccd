import { constants, deflateRawSync } from 'node:zlib'
import { encodeFrame, type FrameEncoder } from './frame.ts'

/** When and how to compress. */
export interface DeflateOptions {
  /** Payloads of fewer bytes go out as they are. */
  readonly thresholdBytes: number
  /** zlib level, 1 (fastest) to 9 (smallest). */
  readonly level: number
}

/** What a sync flush ends with; the receiver puts it back (RFC 7692 section 7.2.1). */
const TAIL_BYTES = 4

/**
 * Frames with a deflated payload (permessage-deflate, RFC 7692 section 7). Each is compressed from an empty window, as
 * if `server_no_context_takeover` had been agreed, so that the same bytes suit every client whatever it got before.
 * What does not become smaller goes out as it is.
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
