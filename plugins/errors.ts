import { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ERRORS, HubError, errorBody, type ErrorCode } from '../services/model/errors.ts'
import { WEBSOCKET_VERSION } from '../services/transport/handshake.ts'
import { rawResponse } from '../services/transport/raw-response.ts'
import { fieldsOf, logRefusal, pathOf, refusalLogOf } from '../services/transport/http/refusal-log.ts'

/** Makes the scope respond to every error with `sendError`. */
export const errors = fp(async function errors (fastify) {
  fastify.setErrorHandler(sendError)
}, { name: 'fastify-hub-errors', fastify: '5.x' })

/**
 * Makes the application respond to a request that matches no route: with HUB_METHOD_NOT_ALLOWED and `allow` (RFC 9110
 * section 15.5.6) where the path has other methods, else with HUB_NOT_FOUND. Registered before all routes. Fastify's
 * default handler repeats the URL in the response and in the log, and the URL can contain a token.
 */
export const notFound = fp(async function notFound (fastify) {
  const methodsOf = new Map<string, { readonly pattern: RegExp, readonly methods: Set<string> }>()
  fastify.addHook('onRoute', ({ url, method }) => {
    const path = methodsOf.get(url) ?? { pattern: patternOf(url), methods: new Set() }
    methodsOf.set(url, path)
    for (const one of [method].flat()) path.methods.add(one)
  })
  fastify.setNotFoundHandler((request, reply) => {
    const path = pathOf(request.url)
    const methods = [...methodsOf.values()].flatMap(({ pattern, methods }) => pattern.test(path) ? [...methods] : [])
    if (methods.length === 0) {
      return sendError(new HubError('HUB_NOT_FOUND', 'There is nothing at this address.'), request, reply)
    }
    const allowed = [...new Set(methods)].sort().join(', ')
    reply.header('allow', allowed)
    sendError(new HubError('HUB_METHOD_NOT_ALLOWED', `This address takes ${allowed}.`), request, reply)
  })
}, { name: 'fastify-hub-not-found', fastify: '5.x' })

/** Matches the paths of a route, whose parameters stand for any characters but a slash. */
function patternOf (url: string): RegExp {
  const literal = url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${literal.replace(/:\w+/g, '[^/]+')}$`)
}

/**
 * Sends an error as JSON with its stable code, and logs the error: at level `error` for status 500, else as a refusal.
 * The signature fits Fastify's error handlers and its `frameworkErrors` option.
 */
export function sendError (thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void {
  const body = errorBody(thrown)
  const { code, statusCode, message } = body
  if (statusCode === 500) request.log.error({ ...fieldsOf(request), err: thrown, code }, 'request failed')
  else logRefusal(request, { code, statusCode, reason: message })

  if (thrown instanceof HubError && thrown.retryAfter !== undefined) reply.header('retry-after', thrown.retryAfter)
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
  if (statusCode === 426) reply.headers({ upgrade: 'websocket', 'sec-websocket-version': WEBSOCKET_VERSION })
  reply.code(statusCode).send(body)
}

/** The hub's codes for errors of Node's HTTP parser; every other parser error is HUB_REQUEST_INVALID. */
const CODE_OF_PARSER_ERROR: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'HUB_HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'HUB_REQUEST_TIMEOUT'
}

/**
 * Responds to bytes that are no HTTP request, and closes the socket. The signature fits Fastify's `clientErrorHandler`
 * option, whose default handler logs the received bytes, which can contain a token.
 */
export function sendClientError (this: FastifyInstance, error: ConnectionError, socket: Socket): void {
  if (!socket.writable || hasResponseBefore(socket)) {
    socket.destroy()
    return
  }
  const code = CODE_OF_PARSER_ERROR[error.code] ?? 'HUB_REQUEST_INVALID'
  const fields = { address: socket.remoteAddress, code, statusCode: ERRORS[code], reason: error.code }
  refusalLogOf(this).add(code, fields, 'request could not be read')
  socket.end(rawResponse(code, 'The request could not be read.'), () => socket.destroy())
}

/**
 * Whether the response to an earlier request of the connection is not complete: a further response would end up inside
 * it, or be taken for it.
 */
function hasResponseBefore (socket: Socket): boolean {
  const response: unknown = '_httpMessage' in socket ? socket._httpMessage : null
  if (!(response instanceof ServerResponse)) return false
  const { headersSent, req } = response as ServerResponse
  return headersSent || req.complete
}
