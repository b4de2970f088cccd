import type { Payload } from '../model/message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { raw } from '../protocol/raw.ts'

/** Encodes a payload as a complete frame of an older service; null selects the frame of the raw protocol. */
export type PayloadEncoder = (payload: Payload) => Buffer | null

const NO_GREETING = Buffer.alloc(0)

/**
 * Creates the protocol of an older service: the raw protocol without a greeting and without commands. Every client
 * message goes to the handler of the endpoint.
 *
 * @param overrides - further members that differ from the raw protocol.
 */
export function createCompatProtocol (
  name: string,
  encodePayload: PayloadEncoder,
  overrides: Partial<Protocol> = {}
): Protocol {
  const encode = (payload: Payload): Buffer => encodePayload(payload) ?? raw.encodeReply(payload)
  return {
    ...raw,
    name,
    encodeGreeting: () => NO_GREETING,
    decode: (data, isBinary) => ({ kind: 'message', data: isBinary ? data : data.toString() }),
    encode: ({ payload }) => encode(payload),
    encodeReply: encode,
    ...overrides
  }
}
