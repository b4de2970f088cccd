import { IncomingMessage } from 'node:http'
import type {
  FastifyInstance, FastifyRequest, onRequestAsyncHookHandler, preHandlerHookHandler, preValidationHookHandler
} from 'fastify'
import type { WebSocket } from 'ws'
import { CLOSE } from '../../services/model/close-codes.ts'
import { HubError } from '../../services/model/errors.ts'
import { SUBPROTOCOLS, type ProtocolChoice } from '../../services/protocol/subprotocols.ts'
import { checkHandshake, checkOrigin, takeFirstSubprotocol, takesDeflated } from '../../services/transport/handshake.ts'
import { WsConnection } from '../../services/transport/ws-connection.ts'
import { WsService, type ClientMessageHandler, type OpenOptions } from '../../services/transport/ws-service.ts'
import { decoratorOf } from '../decorators.ts'
import { assertCapacity, type EndpointOptions } from './endpoint.ts'

type Hub = FastifyInstance['hub']

/** Start position of a connecting client; 'refused' for a client that cannot resume its lost connection. */
export type ConnectionStart = OpenOptions | 'refused'

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
  /** Hook that sets `request.identity`. Default: `EndpointOptions.authenticate`. */
  readonly identify?: preValidationHookHandler
  /** Resolves to the start position of a client. Runs before the upgrade, because the client opens right after it. */
  readonly startPosition?: (request: FastifyRequest) => Promise<ConnectionStart | undefined>
  /** Whether the client asks to resume a lost connection of its own. Default: never. */
  readonly wantsToResume?: (request: FastifyRequest) => boolean
}

/** Time in ms for a refused client to complete the closing handshake. */
const REFUSAL_TIMEOUT_MS = 1000

/**
 * Adds a WebSocket endpoint. Admission is a chain of hooks, from cheap checks to expensive ones; a refusal in steps 1
 * to 4 is an HTTP response:
 *
 * 1. `admitRequest` (onRequest): is there capacity, is the handshake valid, is the origin allowed?
 * 2. `identify` (preValidation): is the token valid? Sets `request.identity`.
 * 3. `storeStart` (preValidation): at which position does the client start? Only with `endpoint.startPosition`.
 * 4. `admitUser` (preHandler): may this user have a further connection?
 * 5. @fastify/websocket completes the upgrade.
 * 6. `openClient` (handler): registers the client with the hub and connects the socket's events with `WsService`.
 *
 * @throws {Error} at boot, without `fastify.hub` or `fastify.upgradeGate`.
 */
export function addWebSocketEndpoint (
  fastify: FastifyInstance,
  { config, connectRate, authenticate }: EndpointOptions,
  endpoint: WebSocketEndpoint
): void {
  const hub = decoratorOf(fastify, 'hub')
  const upgradeGate = decoratorOf(fastify, 'upgradeGate')
  const { path, protocolFor, onMessage, identify = authenticate, startPosition, wantsToResume } = endpoint
  const service = new WsService(hub, fastify.log, config.maxMessageSize, onMessage)
  const windowBits = serverMaxWindowBits(fastify)
  /**
   * Start positions that step 3 hands to steps 4 and 6. The hooks share no object but the request. A weak map releases
   * the entry of a refused request, too.
   */
  const starts = new WeakMap<FastifyRequest, ConnectionStart>()

  // Async, because promise callbacks run before Node reads more from the socket. Frames that a client sends ahead of
  // the handshake response therefore arrive after the client has opened.
  const admitRequest: onRequestAsyncHookHandler = async (request) => {
    if (!config.start) {
      const sentence = 'WebSocket is switched off here (websocket.start is false).'
      throw new HubError('HUB_WEBSOCKET_OFF', sentence, { retryAfter: 60 })
    }
    if (!request.ws) throw new HubError('HUB_UPGRADE_REQUIRED', 'Connect to this address with a WebSocket client.')
    // A resuming client replaces its own connection and needs no further one. Step 4 checks this with the token.
    assertCapacity(hub, connectRate, wantsToResume?.(request))
    if (endpoint.takesFirstSubprotocol === true) takeFirstSubprotocol(request.raw)
    // A test request of `injectWS` is no IncomingMessage and has an incomplete handshake.
    if (request.raw instanceof IncomingMessage) checkHandshake(request.raw, SUBPROTOCOLS)
    checkOrigin(request.headers, config.allowedOrigins)
  }

  // A separate hook, only for endpoints with start positions: without its await, Node reads no further request before
  // this upgrade.
  const storeStart = async (request: FastifyRequest): Promise<void> => {
    const start = await startPosition?.(request)
    if (start !== undefined) starts.set(request, start)
  }

  // With a callback instead of a promise: no other request runs between this check and the handler.
  const admitUser: preHandlerHookHandler = (request, reply, done) => {
    hub.admit(request.identity?.user, isReplacement(hub, starts.get(request)))
    upgradeGate.trackResponse(request.raw, reply.raw)
    done()
  }

  const openClient = (socket: WebSocket, request: FastifyRequest): void => {
    const stream = upgradeGate.streamOf(request.raw)
    if (stream === undefined) return socket.terminate()
    // The hub closes its own sockets; loops of the application over all WebSockets must not.
    fastify.websocketServer.clients.delete(socket)
    const connection = new WsConnection(socket, stream, request.ip)
    const start = starts.get(request)
    if (start === 'refused') return refuse(socket, connection)
    if (request.identity === null) return socket.terminate()
    const offeredExtensions = request.headers['sec-websocket-extensions']
    const isDeflated = config.compression.enabled && takesDeflated(socket.extensions, offeredExtensions, windowBits)
    const client = service.onOpen(connection, request.identity, protocolFor(socket.protocol, isDeflated), start)
    if (client === null) return
    // With the default binaryType of `ws`, each message is one Buffer.
    socket.on('message', (data, isBinary) => { service.onMessage(client, data as Buffer, isBinary) })
    socket.on('pong', (payload) => service.onPong(client, payload))
    socket.on('closing', () => { client.outbox.flushLast() })
    socket.on('error', (error) => service.onError(client, error))
    socket.on('close', (code, reason) => service.onClose(client, code, reason.toString()))
  }

  fastify.get(path, {
    websocket: true,
    onRequest: admitRequest,
    preValidation: startPosition === undefined ? identify : [identify, storeStart],
    preHandler: admitUser
  }, openClient)
}

/** Whether a client resumes a connection that is still registered and ends with the resumption. */
function isReplacement (hub: Hub, start: ConnectionStart | undefined): boolean {
  if (typeof start !== 'object' || start.resumed === undefined) return false
  return hub.client(start.resumed.claim.clientId) !== undefined
}

/**
 * Closes the connection of a client that cannot resume, with a code that makes a client start anew. The refusal comes
 * after the upgrade: clients repeat the same request after an HTTP error.
 */
function refuse (socket: WebSocket, connection: WsConnection): void {
  connection.close(CLOSE.startOver.code, CLOSE.startOver.reason)
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
