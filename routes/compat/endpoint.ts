import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, onRequestHookHandler, preValidationHookHandler } from 'fastify'
import { badRequest, isHandshakeError, type HttpResponse } from '../../services/compat/gorilla.ts'
import { HubError } from '../../services/model/errors.ts'
import { ADMIN_ROLE, type Identity } from '../../services/model/identity.ts'
import { checkOrigin } from '../../services/transport/handshake.ts'
import { logRefusal } from '../../services/transport/http/refusal-log.ts'
import type { WebSocketEndpointOptions } from '../live/ws-endpoint.ts'

/** Options of an endpoint for clients of an older service. */
export interface CompatEndpointOptions extends WebSocketEndpointOptions {
  /**
   * Whether the endpoint is in mode `open`: no token check, and every right for every client, as in the older service.
   */
  readonly isOpen: boolean
}

/** Identity of a client without a token at an endpoint in mode `open`: each connection is a user of its own. */
export function anonymousIdentity (): Identity {
  return { user: `guest-${randomUUID()}`, roles: [] }
}

/** Sends the response of an older service to a refused request, and logs the refusal. */
export function sendRefusal (reply: FastifyReply, error: HubError, { status, headers, body }: HttpResponse): void {
  logRefusal(reply.request, { code: error.code, statusCode: status, reason: error.message })
  reply.code(status).headers(headers)
  // Fastify adds a Content-Type to an empty string.
  if (body === '') reply.send()
  else reply.send(body)
}

/**
 * Makes the scope refuse an invalid handshake with the response of gorilla/websocket. Other errors get the response of
 * the hub.
 *
 * @param tail - text that the older service writes behind the response of the library. Default ''.
 */
export function refuseLikeGorilla (fastify: FastifyInstance, tail?: string): void {
  fastify.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof HubError) || !isHandshakeError(error.code)) throw error
    sendRefusal(reply, error, badRequest(tail))
  })
}

/** Hooks for a route. */
interface OperatorHooks {
  readonly onRequest: onRequestHookHandler
  readonly preValidation: preValidationHookHandler[]
}

/**
 * Hooks for the HTTP routes of an older service. They refuse a request from a page of a foreign origin and, except in
 * mode `open`, a request without a token of the role `admin`.
 */
export function requireOperator (
  fastify: FastifyInstance,
  { isOpen, authenticate, config: { allowedOrigins } }: CompatEndpointOptions
): OperatorHooks {
  const refuseForeignPage: onRequestHookHandler = ({ headers }, _reply, done) => {
    checkOrigin(headers, allowedOrigins)
    // A browser sends no Origin with the request for an image or a script, but it sends Sec-Fetch-Site.
    const isForeign = ['cross-site', 'same-site'].includes(String(headers['sec-fetch-site']))
    if (headers.origin === undefined && isForeign && !allowedOrigins.includes('*')) {
      throw new HubError('HUB_ORIGIN_REFUSED', 'Other pages may not use this address.')
    }
    done()
  }
  const preValidation = isOpen ? [] : [authenticate, fastify.authorize(ADMIN_ROLE)]
  return { onRequest: refuseForeignPage, preValidation }
}

/**
 * Adds a route that redirects a path with a trailing slash to the path without one, as Gin does. An application that
 * ignores trailing slashes gets no such route.
 */
export function redirectWithoutSlash (
  fastify: FastifyInstance,
  method: 'GET' | 'POST',
  path: string,
  status: 301 | 307
): void {
  const { ignoreTrailingSlash, routerOptions } = fastify.initialConfig
  if (path === '/' || ignoreTrailingSlash === true || routerOptions?.ignoreTrailingSlash === true) return
  fastify.route({
    method,
    url: `${path}/`,
    handler: ({ url }, reply) => reply.redirect(url.replace(/^\/+/, '/').replace(/\/(?=\?|$)/, ''), status)
  })
}
