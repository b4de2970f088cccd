import type { Payload } from '../model/message.ts'
import { raw } from '../protocol/raw.ts'
import type { Protocol } from '../protocol/protocol.ts'

const NOTHING = Buffer.alloc(0)

/** How a payload looks on a connection of an older service; null leaves it is. */
export type PayloadEncoder = (payload: Payload) => Buffer | null

/** The protocol of an older service: no greeting, and everything that clients say is for their door. */
export function createCompatProtocol (name: string, encodePayload: PayloadEncoder, more: Partial<Protocol> = {}): Protocol {
  const encode = (payload: Payload): Buffer => encodePayload(payload) ?? raw.encodeReply(payload)
  return {
    ...raw,
    name,
    encodeGreeting: () => NOTHING,
    decode: (data, isBinary) => ({ kind: 'message', data: isBinary ? data : data.toString() }),
    encode: ({ payload }) => encode(payload),
    encodeReply: encode,
    ...more
  }
}
