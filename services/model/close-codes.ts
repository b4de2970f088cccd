import { HubError, type ErrorCode } from './errors.ts'
import type { WithUndefined } from './optional.ts'

/** A WebSocket close code with the reason that the hub sends. */
export interface CloseCode {
  /** Status code of the Close frame (RFC 6455 section 7.4). */
  readonly code: number
  /** UTF-8 text of the Close frame, at most 123 bytes. */
  readonly reason: string
  /** Whether a client may reconnect without a decision of its user. */
  readonly mayRetry: boolean
}

/** A close code and its reason; the reason has at most 123 bytes of UTF-8. */
export type CloseReason = Pick<CloseCode, 'code' | 'reason'>

/**
 * Every close code that the hub sends or reports. Codes below 3000 are those of RFC 6455 section 7.4.1 and the IANA
 * registry; codes from 4000 are the hub's own, with the last digits of the HTTP status that has the same meaning.
 */
export const CLOSE = {
  /** The peer is going away: a page was left, an SSE stream ended. */
  goingAway: { code: 1001, reason: 'going away', mayRetry: true },
  /** Reported only, never sent: the connection ended without a Close frame. */
  abnormal: { code: 1006, reason: 'connection lost', mayRetry: true },
  /** A frame violated RFC 6455. */
  protocolError: { code: 1002, reason: 'protocol error', mayRetry: true },
  /** A text message was not valid UTF-8. */
  invalidText: { code: 1007, reason: 'invalid text', mayRetry: true },
  /** A message had too many fragments. */
  tooManyParts: { code: 1008, reason: 'too many fragments', mayRetry: false },
  /** A frame was no request of the client's subprotocol. */
  badMessage: { code: 1008, reason: 'not a message of this protocol', mayRetry: false },
  /** The session to resume is unknown, expired or incomplete; connect without the resume token. */
  startOver: { code: 1008, reason: 'this connection cannot be resumed, start over', mayRetry: true },
  /**
   * The token of a client that can resume has expired. The client would try to resume with the expired token; 1008
   * makes the client start over, and so fetch a new token.
   */
  expiredSession: { code: 1008, reason: 'token expired', mayRetry: true },
  /** A message was larger than the configured maximum. */
  tooLarge: { code: 1009, reason: 'message too large', mayRetry: false },
  /** The log could not be read for this client. */
  internal: { code: 1011, reason: 'something failed inside the hub', mayRetry: true },
  /** The service is shutting down. */
  restart: { code: 1012, reason: 'service restart', mayRetry: true },
  /** The hub cannot take a connection at the moment: it is full, draining, or the client has too many connections. */
  tryLater: { code: 1013, reason: 'try again later', mayRetry: true },
  /** The application or an operator disconnected the client; the default of `hub.disconnect`. */
  disconnected: { code: 4000, reason: 'disconnected', mayRetry: false },
  /** Another connection resumed this session. */
  replaced: { code: 4001, reason: 'resumed on another connection', mayRetry: false },
  /** The token had expired before the client connected, or expired while the client was connected. */
  tokenExpired: { code: 4401, reason: 'token expired', mayRetry: true },
  /** The token has no right to connect here. */
  forbidden: { code: 4403, reason: 'forbidden', mayRetry: false },
  /** The client answered no ping in time and sent no data. */
  heartbeatLost: { code: 4408, reason: 'no sign of life', mayRetry: true },
  /** Messages for the client are gone from the log, and its protocol has no gap notice. */
  gap: { code: 4410, reason: 'messages are gone from the log', mayRetry: true },
  /** The client reads too slowly: the queue policy is `disconnect`, or a write made no progress in time. */
  slowClient: { code: 4413, reason: 'too slow', mayRetry: true },
  /** The client sent more messages, bytes or frames per second than the configured rates. */
  tooManyMessages: { code: 4429, reason: 'too many messages', mayRetry: true }
} as const satisfies Record<string, CloseCode>

/** Close codes for errors that refuse a connection. */
const CLOSE_OF_REFUSAL: Partial<Record<ErrorCode, CloseCode>> = {
  HUB_TOKEN_EXPIRED: CLOSE.tokenExpired,
  HUB_FORBIDDEN: CLOSE.forbidden,
  HUB_USER_FULL: CLOSE.tryLater,
  HUB_TOO_MANY_UPGRADES: CLOSE.tryLater,
  HUB_FULL: CLOSE.tryLater,
  HUB_DRAINING: CLOSE.tryLater,
  HUB_STORE_FAILED: CLOSE.tryLater
}

/**
 * The close code for an error that refuses a connection, with the error's code and message as the reason; null for an
 * error without a close code, which stays an HTTP response.
 */
export function closeReasonOfRefusal ({ code, message }: HubError): CloseReason | null {
  const close = CLOSE_OF_REFUSAL[code]
  return close === undefined ? null : { code: close.code, reason: fitReason(`${code}: ${message}`) }
}

/** Whether a client may reconnect by itself after a code of the hub; false for the codes of an application. */
export function mayRetry (code: number): boolean {
  return Object.values(CLOSE).some((one) => one.code === code && one.mayRetry)
}

/** Whether the session of a connection that the hub closed with this code may be resumed. */
export function mayResume (code: number): boolean {
  return code !== CLOSE.startOver.code && mayRetry(code)
}

/** Bytes that the reason of a Close frame may have (RFC 6455 section 5.5). */
export const MAX_REASON_BYTES = 123

/**
 * Cuts a reason to the 123 bytes of UTF-8 that fit into a Close frame (RFC 6455 section 5.5), never inside a character.
 */
export function fitReason (reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= MAX_REASON_BYTES) return reason
  let end = MAX_REASON_BYTES
  // Bytes 10xxxxxx continue a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

/**
 * Whether an application may send this code in a Close frame (RFC 6455 section 7.4, within the codes that `ws`
 * accepts).
 */
export function isSendableCode (code: number): boolean {
  if (!Number.isInteger(code)) return false
  if (code >= 1000 && code <= 1014) return code !== 1004 && code !== 1005 && code !== 1006
  return code >= 3000 && code <= 4999
}

/**
 * The reason with which an application closes a connection, completed and cut to what a Close frame holds.
 *
 * @throws {HubError} HUB_REQUEST_INVALID for a code that may not be sent, and for a reason that is no text.
 */
export function toCloseReason (
  { code = CLOSE.disconnected.code, reason = CLOSE.disconnected.reason }: WithUndefined<Partial<CloseReason>> = {}
): CloseReason {
  if (!isSendableCode(code)) {
    throw new HubError('HUB_REQUEST_INVALID', `${code} is no close code that may be sent; use 1000, or one from 3000 to 4999 (RFC 6455 section 7.4.2).`)
  }
  if (typeof reason !== 'string') throw new HubError('HUB_REQUEST_INVALID', 'The reason of a close must be a string.')
  return { code, reason: fitReason(reason) }
}
