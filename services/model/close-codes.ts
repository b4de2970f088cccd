/** One way in which a connection ends: its WebSocket close code, the reason sent with it, and whether the client may come back by itself. */
export interface CloseCode {
  readonly code: number
  readonly reason: string
  readonly mayRetry: boolean
}

/**
 * Every close code that the hub sends or reports. Codes below 3000 are those of RFC 6455 section 7.4.1 and the IANA
 * registry; codes from 4000 are the hub's own, their last digits borrowed from the HTTP status that means the same.
 */
export const CLOSE = {
  goingAway: { code: 1001, reason: 'going away', mayRetry: true },
  abnormal: { code: 1006, reason: 'connection lost', mayRetry: true },
  protocolError: { code: 1002, reason: 'protocol error', mayRetry: true },
  invalidText: { code: 1007, reason: 'invalid text', mayRetry: true },
  tooManyParts: { code: 1008, reason: 'too many fragments', mayRetry: false },
  badMessage: { code: 1008, reason: 'not a message of this protocol', mayRetry: false },
  startOver: { code: 1008, reason: 'this connection cannot be resumed, start over', mayRetry: true },
  tooLarge: { code: 1009, reason: 'message too large', mayRetry: false },
  internal: { code: 1011, reason: 'something failed inside the hub', mayRetry: true },
  restart: { code: 1012, reason: 'service restart', mayRetry: true },
  disconnected: { code: 4000, reason: 'disconnected', mayRetry: false },
  replaced: { code: 4001, reason: 'resumed on another connection', mayRetry: false },
  tokenExpired: { code: 4401, reason: 'token expired', mayRetry: true },
  heartbeatLost: { code: 4408, reason: 'no sign of life', mayRetry: true },
  gap: { code: 4410, reason: 'messages are gone from the log', mayRetry: true },
  slowClient: { code: 4413, reason: 'too slow', mayRetry: true },
  tooManyMessages: { code: 4429, reason: 'too many messages', mayRetry: true }
} as const satisfies Record<string, CloseCode>

/** Whether a connection that the hub ended with this code may go on where it was. */
export function mayResume (code: number): boolean {
  return code !== CLOSE.startOver.code && Object.values(CLOSE).some((one) => one.code === code && one.mayRetry)
}

/** Bytes that the reason in a Close frame may have (RFC 6455 section 5.5). */
export const MAX_REASON_BYTES = 123

/** Cuts a reason to the 123 bytes of UTF-8 that fit into a Close frame (RFC 6455 section 5.5), never through a character. */
export function fitReason (reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= MAX_REASON_BYTES) return reason
  let end = MAX_REASON_BYTES
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

/** Whether an application may put this code into a Close frame (RFC 6455 section 7.4, and what the `ws` library accepts). */
export function isSendableCode (code: number): boolean {
  if (!Number.isInteger(code)) return false
  if (code >= 1000 && code <= 1014) return code !== 1004 && code !== 1005 && code !== 1006
  return code >= 3000 && code <= 4999
}
