// The common parts of the older Go services, which all use the library gorilla/websocket: how each refuses a handshake,
// and the base of each protocol.
import type { ErrorCode } from '../model/errors.ts'
import type { Payload } from '../model/message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { raw } from '../protocol/raw.ts'

/** An HTTP response of an older service, byte for byte. */
export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const BAD_REQUEST_HEADERS = {
  'content-type': 'text/plain; charset=utf-8',
  'sec-websocket-version': '13',
  'x-content-type-options': 'nosniff'
}

/**
 * The response of gorilla/websocket to a request that is no WebSocket handshake.
 *
 * @param tail - text that the service writes behind the response of the library. Default ''.
 */
export function badRequest (tail = ''): HttpResponse {
  return { status: 400, headers: BAD_REQUEST_HEADERS, body: `Bad Request\n${tail}` }
}

/** Whether a code of the hub refuses a request because it is no valid WebSocket handshake. */
export function isHandshakeError (code: ErrorCode): boolean {
  return code === 'HUB_UPGRADE_REQUIRED' || code === 'HUB_HANDSHAKE_INVALID'
}

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
