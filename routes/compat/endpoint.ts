import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, onRequestHookHandler } from 'fastify'
import { badRequest, isHandshakeError, type HttpResponse } from '../../services/compat/http-response.ts'
import { HubError } from '../../services/model/errors.ts'
import { checkOrigin } from '../../services/transport/handshake.ts'
import { ADMIN_ROLE, type Identity } from '../../services/model/identity.ts'
import type { EndpointOptions } from '../live/ws-endpoint.ts'

/** How a door for clients of an older service is set up. */
export interface CompatEndpointOptions extends EndpointOptions {
  /** Whether it lets everybody do everything, as the service did. */
  readonly isOpen: boolean
}

/** Where a door is open: somebody about whom nothing is known. Each connection is a user of its own. */
export function anonymousIdentity (): Identity {
  return { user: `guest-${randomUUID()}`, roles: [] }
}

/** Sends what the older service would have sent. */
export function sendHttpResponse (reply: FastifyReply, { status, headers, body }: HttpResponse): void {
  reply.code(status).headers(headers)
  // Fastify would give an empty text a type.
  if (body === '') reply.send()
  else reply.send(body)
}

/** Answers what is no WebSocket handshake as gorilla/websocket did, with what the service wrote after it. Everything else is refused as the hub refuses it. */
export function refuseLikeGorilla (fastify: FastifyInstance, tail?: string): void {
  fastify.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof HubError) || !isHandshakeError(error.code)) throw error
    sendHttpResponse(reply, badRequest(tail))
  })
}

/** Who may use the HTTP routes of a door: no page of a foreign origin, and where the door is not open, those who may use the REST API. */
export function requireOperator (fastify: FastifyInstance, { isOpen, authenticate, config: { allowedOrigins } }: CompatEndpointOptions): onRequestHookHandler[] {
  const isLocal: onRequestHookHandler = ({ headers }, _reply, done) => {
    checkOrigin(headers, allowedOrigins)
    // What a page loads as an image or a script comes without an origin.
    const isForeign = ['cross-site', 'same-site'].includes(String(headers['sec-fetch-site']))
    if (headers.origin === undefined && isForeign && !allowedOrigins.includes('*')) throw new HubError('HUB_ORIGIN_REFUSED', 'Other pages may not use this address.')
    done()
  }
  return isOpen ? [isLocal] : [isLocal, authenticate, fastify.authorize(ADMIN_ROLE)]
}

/** Sends what asks for an address with a slash at its end to the one without, as Gin did. */
export function redirectWithoutSlash (fastify: FastifyInstance, method: 'GET' | 'POST', path: string, status: 301 | 307): void {
  const { ignoreTrailingSlash, routerOptions } = fastify.initialConfig
  // Where an application ignores the slash, there is nothing to redirect.
  if (path === '/' || ignoreTrailingSlash === true || routerOptions?.ignoreTrailingSlash === true) return
  fastify.route({ method, url: `${path}/`, handler: ({ url }, reply) => reply.redirect(url.replace(/^\/+/, '/').replace(/\/(?=\?|$)/, ''), status) })
}
