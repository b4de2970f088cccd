import { STATUS_CODES } from 'node:http'

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
  HUB_MESSAGE_NOT_FOUND: 404,
  HUB_REQUEST_TIMEOUT: 408,
  HUB_DUPLICATE: 409,
  HUB_MESSAGE_TOO_LARGE: 413,
  HUB_CONTENT_TYPE_UNSUPPORTED: 415,
  HUB_KEY_REUSED: 422,
  HUB_UPGRADE_REQUIRED: 426,
  HUB_TOO_MANY_UPGRADES: 429,
  HUB_USER_FULL: 429,
  HUB_HEADERS_TOO_LARGE: 431,
  HUB_INTERNAL: 500,
  HUB_FULL: 503,
  HUB_WEBSOCKET_OFF: 503,
  HUB_DRAINING: 503,
  HUB_STORE_FAILED: 503,
  HUB_ACTION_TIMEOUT: 504
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

/** What an action throws to tell its caller, in the application's own words, what went wrong: any code but those of the hub, and a sentence. */
export class ActionError extends Error {
  readonly code: string

  constructor (code: string | number, message: string) {
    super(message)
    this.name = 'ActionError'
    this.code = String(code)
  }
}

/** What a caller is told of an error: Fastify's own shape, so that clients of other routes need nothing new. */
export interface ErrorBody {
  readonly statusCode: number
  readonly code: string
  readonly error: string
  readonly message: string
}

/** What Fastify itself throws at bad requests, by status. */
const CODE_OF_STATUS: Record<number, ErrorCode> = { 404: 'HUB_NOT_FOUND', 413: 'HUB_MESSAGE_TOO_LARGE', 415: 'HUB_CONTENT_TYPE_UNSUPPORTED', 503: 'HUB_DRAINING' }

/** Words for what Fastify would say with the address in it, which may carry a token. */
const BAD_URL = 'The address is not a valid URL.'

/**
 * The answer to whatever was thrown. An error of Fastify gets a code of ours; one of the application with a 4xx status
 * keeps its own; what is nobody's request's fault keeps its details to itself.
 */
export function errorBody (thrown: unknown): ErrorBody {
  if (thrown instanceof HubError) return body(thrown.statusCode, thrown.code, thrown.message)
  const { statusCode, code, message } = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Record<string, unknown>
  const status = typeof statusCode === 'number' ? statusCode : 500
  const isFastifys = typeof code === 'string' && code.startsWith('FST_')
  if (status < 400 || (status >= 500 && !(isFastifys && status === 503))) {
    return body(ERRORS.HUB_INTERNAL, 'HUB_INTERNAL', 'Something failed inside the hub; its log says what.')
  }
  if (code === 'FST_ERR_BAD_URL') return body(status, 'HUB_REQUEST_INVALID', BAD_URL)
  const known = CODE_OF_STATUS[status] ?? 'HUB_REQUEST_INVALID'
  return body(status, isFastifys || typeof code !== 'string' ? known : code, typeof message === 'string' ? message : 'The request was refused.')
}

function body (statusCode: number, code: string, message: string): ErrorBody {
  return { statusCode, code, error: STATUS_CODES[statusCode] ?? 'Error', message }
}
