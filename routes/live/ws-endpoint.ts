import { IncomingMessage, type IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import type { WebSocket } from 'ws'
import type { Client, ClientMessageHandler, StartRequest } from '../../services/hub/node.ts'
import { isTokenExpired } from '../../services/auth/token.ts'
import { systemClock } from '../../services/lib/clock.ts'
import { HubError } from '../../services/model/errors.ts'
import { SUBPROTOCOLS, type ProtocolChoice } from '../../services/protocol/subprotocols.ts'
import {
  checkHandshake, checkOrigin, normalizeLists, takeFirstSubprotocol, takesDeflated
} from '../../services/transport/handshake.ts'
import { InputMeter, inputLimits } from '../../services/transport/input-meter.ts'
import type { UpgradeGate } from '../../services/transport/upgrade-gate.ts'
import { logRefusal } from '../../services/transport/http/refusal-log.ts'
import { WsConnection } from '../../services/transport/ws-connection.ts'
import { WsService } from '../../services/transport/ws-service.ts'
import { admissionOf, createAdmissionHook, type CallbackHook, type EndpointOptions } from './endpoint.ts'
import { deferRefusal, refusalOf, type DeferredRefusal } from './refusals.ts'

/** Options that all WebSocket endpoints share. */
export interface WebSocketEndpointOptions extends EndpointOptions {
  /** Owns the sockets of pending upgrades. */
  readonly upgradeGate: UpgradeGate
}

/** Description of one WebSocket endpoint. */
export interface WebSocketEndpoint {
  readonly path: string
  /** Selects the protocol of a client, by the subprotocol and the compression of its connection. */
  readonly protocolFor: ProtocolChoice
  /** Handles a client message that is no command. Default: the handler of `hub.onMessage`, or an echo without one. */
  readonly onMessage?: ClientMessageHandler
  /**
   * Whether the handshake selects the first subprotocol of the client's offer, known to the hub or not. Default false.
   */
  readonly takesFirstSubprotocol?: boolean
  /** Whether a client that offers other subprotocols than those of the hub is accepted without one. Default false. */
  readonly takesAnySubprotocol?: boolean
  /**
   * The part of the log that a client asks for. Throws HubError for an invalid request. Default: the head, and the
   * unread inbox.
   */
  readonly startOf?: (request: FastifyRequest) => StartRequest
  /** Whether the client asks to resume a lost connection of its own. Default: never. */
  readonly wantsToResume?: (request: FastifyRequest) => boolean
}

/** Time in ms for a refused client to complete the closing handshake. */
const REFUSAL_TIMEOUT_MS = 1000

/**
 * Adds a WebSocket endpoint. A request passes a chain of checks, from cheap to expensive; an error in steps 1 to 3 is
 * an HTTP response, or a close code after the upgrade (see `deferRefusal`):
 *
 * 1. `checkRequest` (onRequest): is the handshake valid, is the origin allowed, is there capacity?
 * 2. `authenticate` (preValidation): is the token valid? Sets `request.identity`.
 * 3. `admit` (preHandler): where does the client start, and may the user have a further connection?
 * 4. @fastify/websocket completes the upgrade.
 * 5. `openClient` (handler): opens the client and connects the socket's events with `WsService`, or closes the
 *    connection of a refused client.
 */
export function addWebSocketEndpoint (
  fastify: FastifyInstance,
  options: WebSocketEndpointOptions,
  endpoint: WebSocketEndpoint
): void {
  const { config, node, upgradeGate, authenticate, refusalRate } = options
  const { path, protocolFor, onMessage, startOf = () => ({}), wantsToResume = () => false } = endpoint
  const service = new WsService(node, fastify.log, config.maxMessageSize, onMessage)
  const limits = inputLimits(config)
  const windowBits = serverMaxWindowBits(fastify)

  // Async, because promise callbacks run before Node reads more from the socket. Frames that a client sends ahead of
  // the handshake response therefore arrive after the client has opened.
  const checkRequest: onRequestAsyncHookHandler = async (request, reply) => {
    if (!config.start) {
      const sentence = 'WebSocket is switched off here (websocket.start is false).'
      throw new HubError('HUB_WEBSOCKET_OFF', sentence, { retryAfter: 60 })
    }
    if (!request.ws) throw new HubError('HUB_UPGRADE_REQUIRED', withoutUpgrade(request.headers))
    upgradeGate.trackResponse(request.raw, reply.raw)
    if (endpoint.takesFirstSubprotocol === true) takeFirstSubprotocol(request.raw)
    // A test request of `injectWS` is no IncomingMessage and has an incomplete handshake.
    if (request.raw instanceof IncomingMessage) {
      normalizeLists(request.raw.headers)
      checkHandshake(request.raw, SUBPROTOCOLS, endpoint.takesAnySubprotocol)
    }
    checkOrigin(request.headers, config.allowedOrigins)
    try {
      node.assertCapacity(wantsToResume(request))
    } catch (error) {
      if (!deferRefusal(request, error)) throw error
    }
  }

  const admission = createAdmissionHook(options, startOf)
  const admit: CallbackHook = function (request, reply, done) {
    if (refusalOf(request) !== undefined) return done()
    admission.call(this, request, reply, done)
  }

  /** Turns deferred refusals above their rate into HTTP responses. */
  const limitRefusals: CallbackHook = (request, _reply, done) => {
    const refusal = refusalOf(request)
    // An expired token has no identity, and counts as a failed attempt: it must not take from the rate of clients.
    const isAllowed = refusal === undefined || request.identity === null || refusalRate.allow(systemClock.steady())
    done(isAllowed ? undefined : refusal.error)
  }

  /** Makes a hook defer its errors. */
  const deferring = (hook: CallbackHook): CallbackHook => function (request, reply, done) {
    hook.call(this, request, reply, (error?: Error) => {
      // Without an identity, only an expired token is known to be well signed.
      const isWellSigned = request.identity !== null || isTokenExpired(error)
      const isDeferred = isWellSigned && error !== undefined && deferRefusal(request, error, wantsToResume(request))
      done(isDeferred ? undefined : error)
    })
  }

  const openClient = (socket: WebSocket, request: FastifyRequest): void => {
    const stream = upgradeGate.streamOf(request.raw)
    if (stream === undefined) return socket.terminate()
    // The hub closes its own sockets; loops of the application over all WebSockets must not.
    fastify.websocketServer.clients.delete(socket)
    const connection = new WsConnection(socket, stream, request.ip)
    const meter = new InputMeter(limits, systemClock)
    // Null for a client that is refused.
    let opened: Client | null = null
    stream.on('data', (chunk: Buffer) => {
      if (meter.allow(chunk, opened?.pings ?? 0)) return
      if (opened === null) socket.terminate()
      else service.onFlood(opened)
    })
    const refusal = refusalOf(request)
    if (refusal !== undefined) return refuse(request, socket, connection, refusal)
    const admission = admissionOf(request)
    if ('closeReason' in admission) {
      return refuse(request, socket, connection, { code: 'HUB_NOT_FOUND', closeReason: admission.closeReason })
    }
    const offeredExtensions = request.headers['sec-websocket-extensions']
    const isDeflated = config.compression.enabled && takesDeflated(socket.extensions, offeredExtensions, windowBits)
    const client = service.onOpen(admission.ticket, connection, protocolFor(socket.protocol, isDeflated))
    if (client === null) return
    opened = client
    // With the default binaryType of `ws`, each message is one Buffer.
    socket.on('message', (data, isBinary) => { service.onMessage(client, data as Buffer, isBinary) })
    socket.on('pong', (payload) => service.onPong(client, payload))
    socket.on('closing', () => { client.outbox.flushLast() })
    socket.on('error', (error) => service.onError(client, error))
    socket.on('close', (code, reason) => service.onClose(client, code, reason.toString()))
  }

  fastify.get(path, {
    websocket: true,
    onRequest: checkRequest,
    preValidation: deferring(authenticate),
    preHandler: [deferring(admit), limitRefusals]
  }, openClient)
}

/** The advice for a request without an upgrade. A proxy that passes no upgrade on keeps the other headers. */
function withoutUpgrade (headers: IncomingHttpHeaders): string {
  return headers['sec-websocket-key'] === undefined
    ? 'Connect to this address with a WebSocket client.'
    : 'The handshake arrived without its headers "Upgrade" and "Connection": let the proxy in front of the hub pass them on.'
}

/** Closes the connection of a refused client, and logs the refusal. */
function refuse (
  request: FastifyRequest, socket: WebSocket, connection: WsConnection, refusal: DeferredRefusal
): void {
  const { code, reason } = refusal.closeReason
  logRefusal(request, { code: refusal.code, closeCode: code, reason }, 'connection refused')
  connection.close(code, reason)
  // The hub does not know this socket. A peer without a response to the Close frame would delay the service's shutdown.
  const timer = setTimeout(() => socket.terminate(), REFUSAL_TIMEOUT_MS).unref()
  socket.once('close', () => clearTimeout(timer))
}

/** Compression window of the WebSocket server's own configuration, as a power of two; undefined without a limit. */
function serverMaxWindowBits ({ websocketServer }: FastifyInstance): number | undefined {
  const { perMessageDeflate } = websocketServer.options
  if (typeof perMessageDeflate !== 'object') return undefined
  const { serverMaxWindowBits: bits } = perMessageDeflate
  return typeof bits === 'number' ? bits : undefined
}
