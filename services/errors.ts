import { STATUS_CODES } from 'node:http'
import { withoutSecrets } from './credentials.ts'

/**
 * Every error code of the hub, with the HTTP status it is answered with. Codes are stable: programs may match on them.
 * What went wrong in the particular case stands in the error's message.
 */
export const ERRORS = {
  HUB_REQUEST_INVALID: 400,
  HUB_HANDSHAKE_INVALID: 400,
  HUB_ADDRESS_INVALID: 400,
  HUB_TOKEN_MISSING: 401,
  HUB_TOKEN_INVALID: 401,
  HUB_TOKEN_EXPIRED: 401,
  HUB_FORBIDDEN: 403,
  HUB_ORIGIN_REFUSED: 403,
  HUB_NOT_FOUND: 404,
  HUB_CLIENT_NOT_FOUND: 404,
  HUB_LOG_TRUNCATED: 410,
  HUB_MESSAGE_TOO_LARGE: 413,
  HUB_CONTENT_TYPE_UNSUPPORTED: 415,
  HUB_UPGRADE_REQUIRED: 426,
  HUB_TOO_MANY_UPGRADES: 429,
  HUB_USER_FULL: 429,
  HUB_INTERNAL: 500,
  HUB_FULL: 503,
  HUB_WEBSOCKET_OFF: 503,
  HUB_DRAINING: 503
} as const

/** One of the stable error codes. */
export type ErrorCode = keyof typeof ERRORS

/** An error that may be shown to the caller: it carries a stable code, an HTTP status and a sentence that says what to do. */
export class HubError extends Error {
  readonly code: ErrorCode
  readonly statusCode: number
  /** Seconds after which the same request may succeed; sent as `retry-after`. */
  readonly retryAfter: number | undefined

  constructor (code: ErrorCode, message: string, options: { retryAfter?: number, cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'HubError'
    this.code = code
    this.statusCode = ERRORS[code]
    this.retryAfter = options.retryAfter
  }
}

/** The JSON body of every refusal: Fastify's own shape, so that clients of other routes need nothing new. */
export function errorBody (error: HubError) {
  return { statusCode: error.statusCode, code: error.code, error: STATUS_CODES[error.statusCode] ?? 'Error', message: error.message }
}

const BY_STATUS: Record<number, ErrorCode> = {
  403: 'HUB_FORBIDDEN',
  404: 'HUB_NOT_FOUND',
  413: 'HUB_MESSAGE_TOO_LARGE',
  415: 'HUB_CONTENT_TYPE_UNSUPPORTED',
  503: 'HUB_DRAINING'
}

/** Turns whatever was thrown into a HubError; what is not the caller's fault keeps its details to itself. */
export function toHubError (thrown: unknown): HubError {
  if (thrown instanceof HubError) return thrown
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  const status = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
  if (status >= 500 && status !== 503) return new HubError('HUB_INTERNAL', 'Something failed inside the hub; its log says what.', { cause: error })
  return new HubError(BY_STATUS[status] ?? 'HUB_REQUEST_INVALID', withoutSecrets(error.message), { cause: error })
}
