import { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest, onRequestAsyncHookHandler, preHandlerHookHandler, preValidationHookHandler } from 'fastify'
import { systemClock } from '../../services/lib/clock.ts'
import { CLOSE } from '../../services/model/close-codes.ts'
import type { Config } from '../../services/config/schema.ts'
import { HubError } from '../../services/model/errors.ts'
import { checkHandshake, checkOrigin, takeFirstSubprotocol, takesDeflated } from '../../services/transport/handshake.ts'
import { SUBPROTOCOLS, type ProtocolChoice } from '../../services/protocol/subprotocols.ts'
import type { RateLimit } from '../../services/lib/rate-limit.ts'
import { WsConnection } from '../../services/transport/ws-connection.ts'
import { WsService, type ClientMessageHandler, type OpenOptions } from '../../services/transport/ws-service.ts'

/** Where a client begins; 'refused' when it cannot resume what it wants to. */
export type ConnectionStart = OpenOptions | 'refused'

/** What all doors have in common. */
export interface EndpointOptions {
  readonly config: Config['websocket']
  /** The rate limit of connections, shared by all endpoints. */
  readonly connectRate: RateLimit
  /** The hook that checks the token of a client. */
  readonly authenticate: preValidationHookHandler
}

/** What is particular to one way in for WebSocket clients. */
export interface WebSocketEndpoint {
  readonly path: string
  /** Finds the protocol that a client speaks. */
  readonly protocolFor: ProtocolChoice
  /** Takes what clients say that is no command; without it the application's handler does, or an echo. */
  readonly onMessage?: ClientMessageHandler
  /** Whether a client gets the first subprotocol that it offers, in place of one that the hub knows. */
  readonly takesFirstSubprotocol?: boolean
  /** Puts who it is into the request; by default the token check. Asynchronous hooks may follow. */
  readonly identify?: preValidationHookHandler
  /** Finds out, before the upgrade, where a client begins: it is opened in the moment it is upgraded. */
  readonly resolveStart?: (request: FastifyRequest) => Promise<ConnectionStart | undefined>
  /** Whether a client wants to take the place of a connection of its own. */
  readonly wantsToResume?: (request: FastifyRequest) => boolean
}

/** Time in ms that a client gets to read that it is refused. */
const REFUSED_MS = 1000

const NEVER = (): boolean => false

/** A way in for WebSocket clients: what may come in, and socket events to WsService. */
export function addWebSocketEndpoint (fastify: FastifyInstance, { config, connectRate, authenticate }: EndpointOptions, endpoint: WebSocketEndpoint): void {
  const { hub, upgradeGate } = fastify
  const { path, protocolFor, onMessage, identify = authenticate, resolveStart: findBeginning, wantsToResume = NEVER } = endpoint
  const service = new WsService({ hub, log: fastify.log, maxMessageBytes: config.maxMessageSize, onMessage })
  const beginnings = new WeakMap<FastifyRequest, ConnectionStart>()
  const { perMessageDeflate } = fastify.websocketServer.options
  const windowBits = typeof perMessageDeflate === 'object' && typeof perMessageDeflate.serverMaxWindowBits === 'number' ? perMessageDeflate.serverMaxWindowBits : undefined

  // Cheapest first, and all of it before the token is looked at. Async, because microtasks come before the socket is read:
  // also a client that does not wait for the answer to its handshake is not heard before it has been opened.
  const admit: onRequestAsyncHookHandler = async (request) => {
    if (!config.start) throw new HubError('HUB_WEBSOCKET_OFF', 'WebSocket is switched off here (websocket.start is false).', { retryAfter: 60 })
    if (!request.ws) throw new HubError('HUB_UPGRADE_REQUIRED', 'Connect to this address with a WebSocket client.')
    // Who takes the place of a connection of its own needs no further one; whether that is so is found out with the token.
    hub.admit(undefined, wantsToResume(request))
    assertRate(connectRate)
    if (endpoint.takesFirstSubprotocol === true) takeFirstSubprotocol(request.raw)
    // What `injectWS` makes for tests is no IncomingMessage, and no complete handshake either.
    if (request.raw instanceof IncomingMessage) checkHandshake(request.raw, SUBPROTOCOLS)
    checkOrigin(request.headers, config.allowedOrigins)
  }
  // A hook of its own: where it does not wait, the next request has not been read when this one is upgraded.
  const rememberBeginning: preValidationHookHandler[] = findBeginning === undefined ? [] : [async (request) => {
    const beginning = await findBeginning(request)
    if (beginning !== undefined) beginnings.set(request, beginning)
  }]
  // Not async: nobody else may come in between this check and the handler.
  const admitUser: preHandlerHookHandler = (request, reply, done) => {
    const beginning = beginnings.get(request)
    const isReplacing = typeof beginning === 'object' && beginning.resumed !== undefined && hub.client(beginning.resumed.claim.clientId) !== undefined
    hub.admit(request.identity?.user, isReplacing)
    upgradeGate.trackResponse(request.raw, reply.raw)
    done()
  }

  fastify.get(path, { websocket: true, onRequest: admit, preValidation: [identify, ...rememberBeginning], preHandler: admitUser }, (socket, request) => {
    const stream = upgradeGate.streamOf(request.raw)
    if (stream === undefined) return socket.terminate()
    // This socket belongs to the hub alone, not to loops over all WebSockets.
    fastify.websocketServer.clients.delete(socket)
    const connection = new WsConnection(socket, stream, request.ip)
    const beginning = beginnings.get(request)
    // Refused only now: clients take an HTTP error for a reason to try again, and this close code for one to start over.
    if (beginning === 'refused') {
      connection.close(CLOSE.startOver.code, CLOSE.startOver.reason)
      // Nobody else looks after it, and a peer that does not answer would hold up the end of the service.
      const giveUp = setTimeout(() => socket.terminate(), REFUSED_MS).unref()
      socket.once('close', () => clearTimeout(giveUp))
      return
    }
    if (request.identity === null) return socket.terminate()
    const isDeflated = config.compression.enabled && takesDeflated(socket.extensions, request.headers['sec-websocket-extensions'], windowBits)
    const client = service.onOpen(connection, request.identity, protocolFor(socket.protocol, isDeflated), beginning)
    if (client === null) return
    // The default binaryType of `ws` gives every message as one Buffer.
    socket.on('message', (data, isBinary) => { service.onMessage(client, data as Buffer, isBinary) })
    socket.on('pong', (payload) => service.onPong(client, payload))
    socket.on('closing', () => { client.outbox.flushLast() })
    socket.on('error', (error) => service.onError(client, error))
    socket.on('close', (code, reason) => service.onClose(client, code, reason.toString()))
  })
}

/** Throws HUB_TOO_MANY_UPGRADES when connections come too fast. */
export function assertRate (connectRate: RateLimit): void {
  if (connectRate.allow(systemClock.steady())) return
  throw new HubError('HUB_TOO_MANY_UPGRADES', 'Too many connections are being opened at once; try again in a second.', { retryAfter: 1 })
}
