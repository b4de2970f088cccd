import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { WEBSOCKET_VERSION } from '../services/handshake.ts'
import { HubError, errorBody, toHubError } from '../services/errors.ts'

/** Answers every error with its stable code as JSON, and logs it once. */
export const errors = fp(async (fastify) => {
  fastify.setErrorHandler(answerError)
}, { name: 'fastify-hub-errors', fastify: '5.x' })

/** Answers what leads nowhere. For a whole application: without it Fastify repeats the URL, token included, in answer and log. */
export const notFound = fp(async (fastify) => {
  fastify.setNotFoundHandler((request, reply) => {
    answerError(new HubError('HUB_NOT_FOUND', 'There is nothing at this address.'), request, reply)
  })
}, { name: 'fastify-hub-not-found', fastify: '5.x' })

/** Sends an error as JSON. Also fits Fastify's `frameworkErrors`. */
export function answerError (thrown: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void {
  const error = toHubError(thrown)
  const { code, statusCode } = error
  if (statusCode >= 500 && statusCode !== 503) request.log.error({ err: error.cause ?? error, code }, 'request failed')
  else request.log.info({ code, statusCode, reason: error.message }, 'request refused')

  if (error.retryAfter !== undefined) reply.header('retry-after', error.retryAfter)
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
  if (statusCode === 426) reply.headers({ upgrade: 'websocket', 'sec-websocket-version': WEBSOCKET_VERSION })
  reply.code(statusCode).send(errorBody(error))
}
