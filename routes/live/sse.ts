import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type {
  FastifyPluginAsync, FastifyReply, FastifyRequest, onRequestAsyncHookHandler, preHandlerAsyncHookHandler
} from 'fastify'
import { findToken } from '../../services/auth/credentials.ts'
import type { Config } from '../../services/config/schema.ts'
import type { StartRequest } from '../../services/hub/node.ts'
import { systemClock } from '../../services/lib/clock.ts'
import { CLOSE, mayRetry } from '../../services/model/close-codes.ts'
import { HubError, type ErrorCode } from '../../services/model/errors.ts'
import { createSse, refusalStream } from '../../services/protocol/sse.ts'
import { corsHeaders, PREFLIGHT_HEADERS, varyWith } from '../../services/transport/http/cors.ts'
import { deviceFromQuery, lastEventId } from '../../services/transport/connect-query.ts'
import { checkOrigin } from '../../services/transport/handshake.ts'
import { Farewells } from '../../services/transport/http/farewells.ts'
import { Http2Sessions } from '../../services/transport/http/http2-sessions.ts'
import { logRefusal } from '../../services/transport/http/refusal-log.ts'
import { isPipelined, SseConnection } from '../../services/transport/sse-connection.ts'
import { WsService } from '../../services/transport/ws-service.ts'
import { admissionOf, createAdmissionHook, type EndpointOptions } from './endpoint.ts'

/** Options of the Server-Sent Events route. */
export interface SseRouteOptions extends EndpointOptions {
  readonly sse: Config['sse']
}

/** Errors that pass by themselves: a browser must come back after one of these. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  'HUB_DRAINING', 'HUB_FULL', 'HUB_USER_FULL', 'HUB_TOO_MANY_ATTEMPTS', 'HUB_TOO_MANY_UPGRADES', 'HUB_STORE_FAILED'
])
/** Least time in ms before a refused client reconnects, as a multiple of the usual time. */
const REFUSED_FACTOR = 2

const PIPELINED = 'Open an event stream on a connection of its own, or after the response to the request before.'

const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // Without a transformation, so that no proxy compresses the stream and holds events back.
  'cache-control': 'no-store, no-transform',
  // Makes nginx pass each event on at once instead of buffering the response.
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff'
}

/**
 * GET /admin/events: clients of Server-Sent Events (WHATWG HTML section 9.2). Admission takes the steps of a WebSocket
 * endpoint: capacity and origin, then the token, then the connections of the user. OPTIONS answers the preflight of a
 * page that sends headers of its own.
 */
export const sseRoute: FastifyPluginAsync<SseRouteOptions> = async function sseRoute (fastify, options) {
  const { config: websocket, node, authenticate, sse } = options
  const service = new WsService(node, fastify.log, websocket.maxMessageSize)
  const protocol = createSse({ retryMs: sse.retry })
  // A client waits at most twice `sse.retry` before it reconnects.
  const farewells = new Farewells(4 * sse.retry, systemClock)
  const sessions = new Http2Sessions(fastify.server)
  // After the drain: the hub has registered its hook before.
  fastify.addHook('preClose', async () => sessions.close(websocket.drain.grace))

  /** Called before anything that may refuse the request, so that the page can read a refusal. */
  const allowOrigin = (request: FastifyRequest, reply: FastifyReply): void => {
    reply.header('vary', varyWith(reply.getHeader('vary'), 'origin'))
    // A CORS plugin of the application may have set the headers.
    if (!reply.hasHeader('access-control-allow-origin')) reply.headers(corsHeaders(request.headers, websocket.allowedOrigins))
  }

  const checkRequest: onRequestAsyncHookHandler = async (request, reply) => {
    allowOrigin(request, reply)
    if (isPipelined(reply.raw)) throw new HubError('HUB_REQUEST_INVALID', PIPELINED)
    node.assertCapacity(false)
    checkOrigin(request.headers, websocket.allowedOrigins)
  }

  /** Ends an `EventSource` that was sent away for good. */
  const endForGood: preHandlerAsyncHookHandler = async (request, reply) => {
    if (!farewells.has(credentialOf(request), sse.path)) return
    const reason = 'The client was sent away for good a short time ago.'
    logRefusal(request, { code: 'HUB_FORBIDDEN', statusCode: 204, reason }, 'event stream refused')
    return reply.code(204).send()
  }

  const startOf = ({ headers, query }: FastifyRequest): StartRequest => {
    const after = lastEventId(headers['last-event-id'], query)
    return { device: deviceFromQuery(query), ...(after === undefined ? {} : { after }) }
  }

  fastify.setErrorHandler((error, request, reply) => {
    if (!(error instanceof HubError) || !PASSING.has(error.code)) throw error
    logRefusal(request, { code: error.code, statusCode: 200, reason: error.message }, 'event stream refused for now')
    const retryMs = Math.max(REFUSED_FACTOR * sse.retry, 1000 * (error.retryAfter ?? 0))
    const after = lastEventId(request.headers['last-event-id'], request.query)
    return reply.code(200).headers(STREAM_HEADERS).send(refusalStream(error.code, retryMs, after))
  })

  fastify.options(sse.path, async (request, reply) => {
    allowOrigin(request, reply)
    checkOrigin(request.headers, websocket.allowedOrigins)
    return reply.code(204).headers(PREFLIGHT_HEADERS).send()
  })

  fastify.get(sse.path, {
    onRequest: checkRequest,
    preValidation: authenticate,
    preHandler: [endForGood, createAdmissionHook(options, startOf)],
    exposeHeadRoute: false
  }, (request, reply) => {
    const admission = admissionOf(request)
    if (!('ticket' in admission)) throw new Error('An event stream has no close codes: its admission has an error instead.')

    // Everything that can fail has been done: after `hijack` an error would go unnoticed.
    reply.hijack()
    const { raw } = reply
    const connection = new SseConnection(raw, request.ip)
    // The connection may have ended during the token check.
    if (!connection.isOpen) return
    raw.writeHead(200, { ...reply.getHeaders() as OutgoingHttpHeaders, ...STREAM_HEADERS })
    keepOpen(request.raw)
    const client = service.onOpen(admission.ticket, connection, protocol)
    if (client === null) return
    raw.on('close', () => {
      const { closeReason } = client
      if (closeReason !== null && !mayRetry(closeReason.code)) farewells.add(credentialOf(request), sse.path)
      service.onClose(client, CLOSE.goingAway.code, '')
    })
  })
}

/** The token of a request; for an application that needs no token, its user. */
function credentialOf ({ headers, query, identity }: FastifyRequest): string {
  return findToken(headers, query) ?? identity?.user ?? ''
}

/** An event stream can be idle for long: the heartbeat alone ends a lost connection. */
function keepOpen ({ httpVersionMajor, socket }: IncomingMessage): void {
  // A stream of HTTP/2 shares its socket and the timeout of its session, and an injected request has no socket.
  if (httpVersionMajor !== 1 || !(socket instanceof Socket)) return
  socket.setTimeout(0)
  socket.setNoDelay(true)
}
