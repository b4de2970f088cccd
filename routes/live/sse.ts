import type { FastifyPluginAsync, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import type { Config } from '../../services/config/schema.ts'
import type { StartRequest } from '../../services/hub/node.ts'
import { CLOSE } from '../../services/model/close-codes.ts'
import { createSse } from '../../services/protocol/sse.ts'
import { deviceFromQuery, lastEventId } from '../../services/transport/connect-query.ts'
import { checkOrigin } from '../../services/transport/handshake.ts'
import { SseConnection } from '../../services/transport/sse-connection.ts'
import { WsService } from '../../services/transport/ws-service.ts'
import { admissionOf, assertMayConnect, createAdmissionHook, type EndpointOptions } from './endpoint.ts'

/** Options of the Server-Sent Events route. */
export interface SseRouteOptions extends EndpointOptions {
  readonly sse: Config['sse']
}

/**
 * GET /admin/events: clients of Server-Sent Events (WHATWG HTML section 9.2). Admission takes the steps of a WebSocket
 * endpoint: capacity and origin, then the token, then the connections of the user.
 */
export const sseRoute: FastifyPluginAsync<SseRouteOptions> = async function sseRoute (fastify, options) {
  const { config: websocket, node, authenticate, sse } = options
  const service = new WsService(node, fastify.log, websocket.maxMessageSize)
  const protocol = createSse({ retryMs: sse.retry })

  const checkRequest: onRequestAsyncHookHandler = async (request) => {
    assertMayConnect(options)
    checkOrigin(request.headers, websocket.allowedOrigins)
  }

  const startOf = ({ headers, query }: FastifyRequest): StartRequest => {
    const after = lastEventId(headers['last-event-id'], query)
    return { device: deviceFromQuery(query), ...(after === undefined ? {} : { after }) }
  }

  fastify.get(sse.path, {
    onRequest: checkRequest,
    preValidation: authenticate,
    preHandler: createAdmissionHook(node, startOf),
    exposeHeadRoute: false
  }, (request, reply) => {
    const { headers } = request
    const admission = admissionOf(request)
    if (!('ticket' in admission)) throw new Error('An event stream has no close codes: its admission has an error instead.')

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
    const client = service.onOpen(admission.ticket, connection, protocol)
    if (client === null) return
    raw.on('close', () => service.onClose(client, CLOSE.goingAway.code, ''))
  })
}
