import { IncomingMessage } from 'node:http'
import type { FastifyPluginAsync, FastifyRequest, onRequestAsyncHookHandler, preHandlerHookHandler, preValidationAsyncHookHandler, preValidationHookHandler } from 'fastify'
import { systemClock } from '../services/clock.ts'
import { CLOSE } from '../services/close-codes.ts'
import type { Config } from '../services/config/schema.ts'
import { deviceIn, resumeClaimIn } from '../services/connecting.ts'
import { offeredSubprotocols } from '../services/credentials.ts'
import { HubError } from '../services/errors.ts'
import { checkHandshake, checkOrigin, chooseSubprotocol, takesDeflated } from '../services/handshake.ts'
import { createProtocols } from '../services/protocols.ts'
import type { RateLimit } from '../services/rate-limit.ts'
import { WsConnection } from '../services/ws-connection.ts'
import { WsService, type OpenOptions } from '../services/ws-service.ts'

/** Where a client begins; 'refused' when it cannot resume what it wants to. */
type Beginning = OpenOptions | 'refused'

/** Whether a client wants to go on where a connection was. */
function wantsToResume ({ headers, query }: FastifyRequest): boolean {
  return resumeClaimIn(query, '', chooseSubprotocol(offeredSubprotocols(headers)) || '') !== null
}

/** GET /admin/ws: what may come in, and socket events to WsService. */
export const wsRoute: FastifyPluginAsync<{ config: Config['websocket'], connectRate: RateLimit }> = async (fastify, { config, connectRate }) => {
  const { hub, upgradeGate } = fastify
  const service = new WsService({ hub, log: fastify.log, maxMessageBytes: config.maxMessageSize })
  const protocolFor = createProtocols({ thresholdBytes: config.compression.threshold, level: config.compression.level })
  const beginnings = new WeakMap<FastifyRequest, Beginning>()
  const { perMessageDeflate } = fastify.websocketServer.options
  const windowBits = typeof perMessageDeflate === 'object' && typeof perMessageDeflate.serverMaxWindowBits === 'number' ? perMessageDeflate.serverMaxWindowBits : undefined

  // Cheapest first, and all of it before the token is looked at. Async, because microtasks come before the socket is read:
  // also a client that does not wait for the answer to its handshake is not heard before it has been opened.
  const admit: onRequestAsyncHookHandler = async (request) => {
    if (!config.start) throw new HubError('HUB_WEBSOCKET_OFF', 'WebSocket is switched off here (websocket.start is false).', { retryAfter: 60 })
    if (!request.ws) throw new HubError('HUB_UPGRADE_REQUIRED', 'Connect to this address with a WebSocket client.')
    // Who takes the place of a connection of its own needs no further one; whether that is so is found out with the token.
    hub.admit(undefined, wantsToResume(request))
    if (!connectRate.allow(systemClock.steady())) throw new HubError('HUB_TOO_MANY_UPGRADES', 'Too many connections are being opened at once; try again in a second.', { retryAfter: 1 })
    // What `injectWS` makes for tests is no IncomingMessage, and no complete handshake either.
    if (request.raw instanceof IncomingMessage) checkHandshake(request.raw)
    checkOrigin(request.headers, config.allowedOrigins)
  }
  // A client that resumes with a token that has expired would go on to try with it; told to start over, it gets a new one.
  const authenticate: preValidationHookHandler = function (request, reply, done) {
    const pass = (error?: Error): void => {
      if (!(error instanceof HubError) || error.code !== 'HUB_TOKEN_EXPIRED' || !wantsToResume(request)) return done(error)
      beginnings.set(request, 'refused')
      done()
    }
    fastify.authenticate.call(this, request, reply, pass)
  }
  // What a client says about where it begins is looked up before the upgrade, so that it is opened in the moment it is upgraded.
  const locate: preValidationAsyncHookHandler = async (request) => {
    if (beginnings.has(request)) return
    const { identity, headers, query } = request
    const claim = identity === null ? null : resumeClaimIn(query, identity.user, chooseSubprotocol(offeredSubprotocols(headers)) || '')
    if (claim === null) {
      const device = deviceIn(query)
      if (device !== '') beginnings.set(request, { device })
      return
    }
    const session = await hub.sessions.find(claim)
    beginnings.set(request, session === null ? 'refused' : { resumed: { claim, session } })
  }
  // Not async: nobody else may come in between this check and the handler.
  const admitUser: preHandlerHookHandler = (request, reply, done) => {
    const beginning = beginnings.get(request)
    const isReplacing = typeof beginning === 'object' && beginning.resumed !== undefined && hub.client(beginning.resumed.claim.clientId) !== undefined
    hub.admit(request.identity?.user, isReplacing)
    upgradeGate.noteResponse(request.raw, reply.raw)
    done()
  }

  fastify.get(config.path, { websocket: true, onRequest: admit, preValidation: [authenticate, locate], preHandler: admitUser }, (socket, request) => {
    const stream = upgradeGate.streamOf(request.raw)
    if (stream === undefined) return socket.terminate()
    // This socket belongs to the hub alone, not to loops over all WebSockets.
    fastify.websocketServer.clients.delete(socket)
    const connection = new WsConnection(socket, stream, request.ip)
    const beginning = beginnings.get(request)
    // Refused only now: clients take an HTTP error for a reason to try again, and this close code for one to start over.
    if (beginning === 'refused') return connection.close(CLOSE.startOver.code, CLOSE.startOver.reason)
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
