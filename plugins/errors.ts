import type { Socket } from 'node:net'
import type { ConnectionError, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { HubError, errorBody, type ErrorCode } from '../services/model/errors.ts'
import { WEBSOCKET_VERSION } from '../services/transport/handshake.ts'
import { rawResponse } from '../services/transport/raw-response.ts'

/** Answers every error with its stable code as JSON, and logs it once. */
export const errors = fp(async (fastify) => {
  fastify.setErrorHandler(sendError)
}, { name: 'fastify-hub-errors', fastify: '5.x' })

/** Answers what leads nowhere. For a whole application: without it Fastify repeats the URL, token included, in answer and log. */
export const notFound = fp(async (fastify) => {
  fastify.setNotFoundHandler((request, reply) => {
    sendError(new HubError('HUB_NOT_FOUND', 'There is nothing at this address.'), request, reply)
  })
}, { name: 'fastify-hub-not-found', fastify: '5.x' })

/** Sends an error as JSON. Also fits Fastify's `frameworkErrors`. */
export function sendError (thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void {
  const answer = errorBody(thrown)
  const { code, statusCode, message } = answer
  if (statusCode === 500) request.log.error({ err: thrown, code }, 'request failed')
  else request.log.info({ code, statusCode, reason: message }, 'request refused')

  if (thrown instanceof HubError && thrown.retryAfter !== undefined) reply.header('retry-after', thrown.retryAfter)
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
  if (statusCode === 426) reply.headers({ upgrade: 'websocket', 'sec-websocket-version': WEBSOCKET_VERSION })
  reply.code(statusCode).send(answer)
}

const CODE_OF_PARSER: Record<string, ErrorCode> = { HPE_HEADER_OVERFLOW: 'HUB_HEADERS_TOO_LARGE', ERR_HTTP_REQUEST_TIMEOUT: 'HUB_REQUEST_TIMEOUT' }

/** Answers what is not even HTTP. Fits Fastify's `clientErrorHandler`, whose default logs the bytes that came, tokens among them. */
export function sendClientError (this: FastifyInstance, error: ConnectionError, socket: Socket): void {
  this.log.debug({ code: error.code }, 'request could not be read')
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const code = CODE_OF_PARSER[error.code] ?? 'HUB_REQUEST_INVALID'
  socket.end(rawResponse(code, 'The request could not be read.'), () => socket.destroy())
}
