import type { FastifyPluginAsync, onRequestAsyncHookHandler } from 'fastify'
import type { Config } from '../../services/config/schema.ts'
import { CLOSE } from '../../services/model/close-codes.ts'
import { HubError } from '../../services/model/errors.ts'
import { createSse } from '../../services/protocol/sse.ts'
import { deviceFromQuery, lastEventId } from '../../services/transport/connect-query.ts'
import { checkOrigin } from '../../services/transport/handshake.ts'
import { SseConnection } from '../../services/transport/sse-connection.ts'
import { WsService } from '../../services/transport/ws-service.ts'
import { decoratorOf } from '../decorators.ts'
import { assertCapacity, type EndpointOptions } from './endpoint.ts'

/** Options of the Server-Sent Events route. */
export interface SseRouteOptions extends EndpointOptions {
  readonly sse: Config['sse']
}

/**
 * GET /admin/events: clients of Server-Sent Events (WHATWG HTML section 9.2). Admission takes the steps of a WebSocket
 * endpoint: capacity and origin, then the token, then the connections of the user.
 */
export const sseRoute: FastifyPluginAsync<SseRouteOptions> = async function sseRoute (fastify, options) {
  const { config: websocket, connectRate, authenticate, sse } = options
  const hub = decoratorOf(fastify, 'hub')
  const service = new WsService(hub, fastify.log, websocket.maxMessageSize)
  const protocol = createSse({ retryMs: sse.retry })

  const admitRequest: onRequestAsyncHookHandler = async (request) => {
    assertCapacity(hub, connectRate)
    checkOrigin(request.headers, websocket.allowedOrigins)
  }

  const hooks = { onRequest: admitRequest, preValidation: authenticate }
  fastify.get(sse.path, { ...hooks, exposeHeadRoute: false }, (request, reply) => {
    const { identity, headers, query } = request
    if (identity === null) throw new HubError('HUB_TOKEN_MISSING', 'Send a token.')
    hub.admit(identity.user)
    const device = deviceFromQuery(query)
    const after = lastEventId(headers['last-event-id'], query)

    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // Makes nginx pass each event on at once instead of buffering the response.
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
      // The origin has passed the check; without this header, the browser would hide the response from the page.
      ...(headers.origin === undefined ? {} : { 'access-control-allow-origin': headers.origin, vary: 'origin' })
    })
    // An event stream can be idle for long: the heartbeat alone ends a lost connection.
    request.raw.socket.setTimeout(0)
    request.raw.socket.setNoDelay(true)
    const connection = new SseConnection(raw, request.ip)
    const client = service.onOpen(connection, identity, protocol, { device, ...(after === undefined ? {} : { after }) })
    if (client === null) return
    raw.on('close', () => service.onClose(client, CLOSE.goingAway.code, ''))
  })
}
