import { STATUS_CODES } from 'node:http'

/**
 * Every error code of the hub, with the HTTP status of the response. The codes are stable: programs may match on them.
 * The error's `message` describes the particular case and the remedy.
 */
export const ERRORS = {
  /** The request, message or option is malformed. */
  HUB_REQUEST_INVALID: 400,
  /** The WebSocket handshake violates RFC 6455 section 4.2.1, or offers no subprotocol that the hub supports. */
  HUB_HANDSHAKE_INVALID: 400,
  /** The address is not `{ all: true }`, `{ user }`, `{ group }` or `{ client }`, or the id is too long. */
  HUB_ADDRESS_INVALID: 400,
  /** The request carries no token. */
  HUB_TOKEN_MISSING: 401,
  /** The token is malformed, has another signature, issuer or audience, or its claims have the wrong shape. */
  HUB_TOKEN_INVALID: 401,
  /** The token has expired; get a new one. */
  HUB_TOKEN_EXPIRED: 401,
  /** The token lacks the role or permission for this operation. */
  HUB_FORBIDDEN: 403,
  /** The browser origin is not in the list of allowed origins. */
  HUB_ORIGIN_REFUSED: 403,
  /** There is no such route, action or stored object. */
  HUB_NOT_FOUND: 404,
  /** No connection has this client id. */
  HUB_CLIENT_NOT_FOUND: 404,
  /** The log holds no message at this offset. */
  HUB_MESSAGE_NOT_FOUND: 404,
  /** The address has other methods; the header `allow` lists them. */
  HUB_METHOD_NOT_ALLOWED: 405,
  /** The HTTP request did not arrive completely in time. */
  HUB_REQUEST_TIMEOUT: 408,
  /** A command with the same id was executed before; the hub does not execute a command twice. */
  HUB_DUPLICATE: 409,
  /** The message or the request body is larger than the configured maximum. */
  HUB_MESSAGE_TOO_LARGE: 413,
  /** The request body has a content type that the route does not accept. */
  HUB_CONTENT_TYPE_UNSUPPORTED: 415,
  /** The idempotency key was used for another message within the window. */
  HUB_KEY_REUSED: 422,
  /** The route needs a WebSocket upgrade, or the address has no WebSocket. */
  HUB_UPGRADE_REQUIRED: 426,
  /** An address sends more requests without a valid token than the configured rate; retry after a second. */
  HUB_TOO_MANY_ATTEMPTS: 429,
  /** Connections are opened faster than the configured rate; retry after a second. */
  HUB_TOO_MANY_UPGRADES: 429,
  /** The user has the maximum number of connections. */
  HUB_USER_FULL: 429,
  /** The request has too many header bytes or fields. */
  HUB_HEADERS_TOO_LARGE: 431,
  /** An unexpected failure; the log of the hub has the details. */
  HUB_INTERNAL: 500,
  /** The service has the maximum number of connections or durable cursors. */
  HUB_FULL: 503,
  /** WebSocket is switched off in the configuration (`websocket.start`). */
  HUB_WEBSOCKET_OFF: 503,
  /** The hub is closing and takes no more messages or connections. */
  HUB_DRAINING: 503,
  /** The log or the state cannot be read or written. */
  HUB_STORE_FAILED: 503,
  /** The action took longer than the configured time. */
  HUB_ACTION_TIMEOUT: 504
} as const

/** A stable error code: a key of `ERRORS`. */
export type ErrorCode = keyof typeof ERRORS

/**
 * An error whose code and message may be sent to the caller. Thrown and rejected by the verbs of the hub; an
 * application may throw one in `authenticate` or in an action handler.
 *
 * @example
 * ```ts
 * try {
 *   await fastify.hub.send({ client: id }, 'hello')
 * } catch (error) {
 *   if (error instanceof HubError && error.code === 'HUB_CLIENT_NOT_FOUND') return reply.code(404).send()
 *   throw error
 * }
 * ```
 */
export class HubError extends Error {
  /** The stable code. */
  readonly code: ErrorCode
  /** HTTP status of the response, from `ERRORS`. */
  readonly statusCode: number
  /** Seconds after which the same request may succeed; sent as the header `retry-after`. */
  readonly retryAfter: number | undefined

  /**
   * @param message One sentence for the caller that names the remedy.
   * @param options `retryAfter` in seconds, and the `cause`, which is logged and never sent.
   */
  constructor (code: ErrorCode, message: string, options: { retryAfter?: number | undefined, cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'HubError'
    this.code = code
    this.statusCode = ERRORS[code]
    this.retryAfter = options.retryAfter
  }
}

/**
 * An error that an action handler throws to send its caller a code and a message of the application's own. The code is
 * any code outside `ERRORS`.
 *
 * @example
 * ```ts
 * fastify.hub.action('order', schema, async () => { throw new ActionError('SOLD_OUT', 'The last ticket was sold.') })
 * ```
 */
export class ActionError extends Error {
  /** The application's code, as a string. */
  readonly code: string

  constructor (code: string | number, message: string) {
    super(message)
    this.name = 'ActionError'
    this.code = String(code)
  }
}

/**
 * The body of an HTTP error response. The shape is Fastify's own, so that clients of other routes need no further code.
 */
export interface ErrorBody {
  readonly statusCode: number
  readonly code: string
  readonly error: string
  readonly message: string
}

/** Codes for errors of Fastify and its plugins, by status. */
const CODE_OF_STATUS: Record<number, ErrorCode> = {
  401: 'HUB_TOKEN_INVALID',
  403: 'HUB_FORBIDDEN',
  404: 'HUB_NOT_FOUND',
  405: 'HUB_METHOD_NOT_ALLOWED',
  413: 'HUB_MESSAGE_TOO_LARGE',
  415: 'HUB_CONTENT_TYPE_UNSUPPORTED',
  429: 'HUB_TOO_MANY_UPGRADES',
  503: 'HUB_DRAINING'
}

/** Replaces Fastify's message, which repeats the URL: a URL may contain a token. */
const BAD_URL = 'The address is not a valid URL.'

/**
 * The response body for a thrown value. An error of Fastify gets a code of the hub; an error of the application with a
 * 4xx status keeps its own code and message. Every other value becomes HUB_INTERNAL without details.
 */
export function errorBody (thrown: unknown): ErrorBody {
  if (thrown instanceof HubError) return body(thrown.statusCode, thrown.code, thrown.message)
  const error = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Record<string, unknown>
  const { statusCode, code, message } = error
  const status = typeof statusCode === 'number' ? statusCode : 500
  const isFastifys = typeof code === 'string' && code.startsWith('FST_')
  if (status < 400 || (status >= 500 && !(isFastifys && status === 503))) {
    return body(ERRORS.HUB_INTERNAL, 'HUB_INTERNAL', 'Something failed inside the hub; its log says what.')
  }
  if (code === 'FST_ERR_BAD_URL') return body(status, 'HUB_REQUEST_INVALID', BAD_URL)
  const hubCode = CODE_OF_STATUS[status] ?? 'HUB_REQUEST_INVALID'
  const text = typeof message === 'string' ? message : 'The request was refused.'
  return body(status, isFastifys || typeof code !== 'string' ? hubCode : code, text)
}

function body (statusCode: number, code: string, message: string): ErrorBody {
  return { statusCode, code, error: STATUS_CODES[statusCode] ?? 'Error', message }
}
