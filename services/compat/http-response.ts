import type { ErrorCode } from '../model/errors.ts'

/** An HTTP answer of an older service, to the byte. */
export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const BAD_REQUEST_HEADERS = { 'content-type': 'text/plain; charset=utf-8', 'sec-websocket-version': '13', 'x-content-type-options': 'nosniff' }

/** What gorilla/websocket answers to what is no WebSocket handshake; `tail` is what the service wrote after it. */
export function badRequest (tail = ''): HttpResponse {
  return { status: 400, headers: BAD_REQUEST_HEADERS, body: `Bad Request\n${tail}` }
}

/** Whether the hub refuses a request with this code because it is no WebSocket handshake. */
export function isHandshakeError (code: ErrorCode): boolean {
  return code === 'HUB_UPGRADE_REQUIRED' || code === 'HUB_HANDSHAKE_INVALID'
}
