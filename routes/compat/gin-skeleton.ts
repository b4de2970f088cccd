import type { FastifyPluginAsync } from 'fastify'
import { findToken } from '../../services/auth/credentials.ts'
import { CORS_HEADERS, GOPHRAME_ECHO, refusalOf, type RefusalStyle } from '../../services/compat/gin-skeleton.ts'
import { HubError } from '../../services/model/errors.ts'
import { createEcho } from '../../services/transport/ws-service.ts'
import { wsRoute } from '../live/ws.ts'
import type { WebSocketEndpointOptions } from '../live/ws-endpoint.ts'
import { redirectWithoutSlash, sendRefusal } from './endpoint.ts'

/** Options of the endpoint for clients of GinSkeleton and gophrame. */
export interface GinSkeletonOptions extends WebSocketEndpointOptions {
  /** Code of the greeting: 200 for GinSkeleton, 2000 for gophrame, whose echo has a prefix of its own. */
  readonly code: '200' | '2000'
  readonly refusal: RefusalStyle
}

/**
 * GET /admin/ws: the WebSocket route of the hub, with greeting, echo and refusals of GinSkeleton or gophrame. A client
 * that offers a subprotocol gets the hub's refusals.
 */
export const ginSkeletonEndpoint: FastifyPluginAsync<GinSkeletonOptions> = async function ginSkeletonEndpoint (
  fastify,
  { code, refusal, ...options }
) {
  fastify.setErrorHandler((error, { headers, query }, reply) => {
    const isOlderClient = headers['sec-websocket-protocol'] === undefined
    if (!isOlderClient || !(error instanceof HubError)) throw error
    const response = refusalOf(error, findToken(headers, query), refusal)
    if (response === null) throw error
    reply.headers(CORS_HEADERS)
    sendRefusal(reply, error, response)
  })

  const onMessage = createEcho(options.node, code === '2000' ? GOPHRAME_ECHO : undefined)
  const greeting = `{"code":${code},"msg":"ws连接成功","data":""}`
  await fastify.register(wsRoute, { ...options, greeting, onMessage, takesAnySubprotocol: true })

  redirectWithoutSlash(fastify, 'GET', options.config.path, 301)
}
