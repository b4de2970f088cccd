import type { FastifyPluginAsync, onRequestAsyncHookHandler } from 'fastify'
import { CLOSE } from '../../services/model/close-codes.ts'
import type { Config } from '../../services/config/schema.ts'
import { deviceFromQuery, lastEventId } from '../../services/transport/connect-query.ts'
import { HubError } from '../../services/model/errors.ts'
import { checkOrigin } from '../../services/transport/handshake.ts'
import { createSse } from '../../services/protocol/sse.ts'
import { SseConnection } from '../../services/transport/sse-connection.ts'
import { WsService } from '../../services/transport/ws-service.ts'
import { assertRate, type EndpointOptions } from './ws-endpoint.ts'

/** GET /admin/events: the same hub over Server-Sent Events (WHATWG HTML section 9.2). */
export const sseRoute: FastifyPluginAsync<EndpointOptions & { readonly sse: Config['sse'] }> = async (fastify, { config: websocket, connectRate, authenticate, sse }) => {
  const { hub } = fastify
  const service = new WsService({ hub, log: fastify.log, maxMessageBytes: websocket.maxMessageSize })
  const protocol = createSse({ retryMs: sse.retry })

  const admit: onRequestAsyncHookHandler = async (request) => {
    hub.admit()
    assertRate(connectRate)
    checkOrigin(request.headers, websocket.allowedOrigins)
  }

  fastify.get(sse.path, { onRequest: admit, preValidation: authenticate, exposeHeadRoute: false }, (request, reply) => {
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
      // Says to nginx that these bytes must not wait for more of them.
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
      // The page has been checked; without this its browser would not let it read the answer.
      ...(headers.origin === undefined ? {} : { 'access-control-allow-origin': headers.origin, vary: 'origin' })
    })
    // A stream of events is idle for long; only the heartbeat may end it.
    request.raw.socket.setTimeout(0)
    request.raw.socket.setNoDelay(true)
    const client = service.onOpen(new SseConnection(raw, request.ip), identity, protocol, { device, ...(after === undefined ? {} : { after }) })
    if (client === null) return
    raw.on('close', () => service.onClose(client, CLOSE.goingAway.code, ''))
  })
}
