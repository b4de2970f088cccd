// How the older Go services, which all use the library gorilla/websocket, refuse a handshake.
import type { ErrorCode } from '../model/errors.ts'

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
