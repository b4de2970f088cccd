import type { FastifyPluginAsync } from 'fastify'
import { CORS_HEADERS, GOPHRAME_ECHO, refusalOf, type RefusalStyle } from '../../services/compat/gin-skeleton.ts'
import { findToken } from '../../services/auth/credentials.ts'
import { HubError } from '../../services/model/errors.ts'
import { createEcho } from '../../services/transport/ws-service.ts'
import { wsRoute } from '../live/ws.ts'
import type { EndpointOptions } from '../live/ws-endpoint.ts'
import { redirectWithoutSlash, sendHttpResponse } from './endpoint.ts'

/** How the clients of GinSkeleton and gophrame are met. */
export interface GinSkeletonOptions extends EndpointOptions {
  /** The code in the greeting: clients of gophrame compare 2000, those of GinSkeleton 200. */
  readonly code: '200' | '2000'
  readonly refusal: RefusalStyle
}

/** GET /admin/ws in the words of GinSkeleton, or of gophrame where the code is 2000. Clients that offer a subprotocol are met as ever. */
export const ginSkeletonEndpoint: FastifyPluginAsync<GinSkeletonOptions> = async (fastify, { code, refusal, ...options }) => {
  const { path } = options.config

  fastify.setErrorHandler((error, { headers, query }, reply) => {
    const isOlder = headers['sec-websocket-protocol'] === undefined
    const answer = isOlder && error instanceof HubError ? refusalOf(error, findToken(headers, query), refusal) : null
    if (answer === null) throw error
    reply.headers(CORS_HEADERS)
    sendHttpResponse(reply, answer)
  })

  await fastify.register(wsRoute, { ...options, greeting: `{"code":${code},"msg":"ws连接成功","data":""}`, onMessage: createEcho(fastify.hub, code === '2000' ? GOPHRAME_ECHO : undefined) })

  redirectWithoutSlash(fastify, 'GET', path, 301)
}
