import { IncomingMessage } from 'node:http'
import type { FastifyPluginAsync, onRequestAsyncHookHandler, preHandlerHookHandler } from 'fastify'
import { systemClock } from '../services/clock.ts'
import type { Config } from '../services/config/schema.ts'
import { HubError } from '../services/errors.ts'
import { checkHandshake, checkOrigin, takesDeflated } from '../services/handshake.ts'
import { createDeflatedRaw, raw } from '../services/protocol/raw.ts'
import { RateLimit } from '../services/rate-limit.ts'
import { WsConnection } from '../services/ws-connection.ts'
import { WsService } from '../services/ws-service.ts'

/** GET /admin/ws: what may come in, and socket events to WsService. */
export const wsRoute: FastifyPluginAsync<{ config: Config['websocket'] }> = async (fastify, { config }) => {
  const { hub, upgradeGate } = fastify
  const service = new WsService({ hub, log: fastify.log, maxMessageBytes: config.maxMessageSize })
  const deflatedRaw = createDeflatedRaw({ thresholdBytes: config.compression.threshold, level: config.compression.level })
  const { perMessageDeflate } = fastify.websocketServer.options
  const windowBits = typeof perMessageDeflate === 'object' && typeof perMessageDeflate.serverMaxWindowBits === 'number' ? perMessageDeflate.serverMaxWindowBits : undefined
  const upgradeRate = new RateLimit(config.upgradesPerSecond)

  // Cheapest first, and all of it before the token is looked at. Async, because microtasks come before the socket is read:
  // also a client that does not wait for the answer to its handshake is not heard before it has been opened.
  const admit: onRequestAsyncHookHandler = async (request) => {
    if (!config.start) throw new HubError('HUB_WEBSOCKET_OFF', 'WebSocket is switched off here (websocket.start is false).', { retryAfter: 60 })
    if (!request.ws) throw new HubError('HUB_UPGRADE_REQUIRED', 'Connect to this address with a WebSocket client.')
    hub.admit()
    if (!upgradeRate.allow(systemClock.steady())) throw new HubError('HUB_TOO_MANY_UPGRADES', 'Too many connections are being opened at once; try again in a second.', { retryAfter: 1 })
    // What `injectWS` makes for tests is no IncomingMessage, and no complete handshake either.
    if (request.raw instanceof IncomingMessage) checkHandshake(request.raw)
    checkOrigin(request.headers, config.allowedOrigins)
  }
  // Not async: nobody else may come in between this check and the handler.
  const admitUser: preHandlerHookHandler = (request, reply, done) => {
    hub.admit(request.identity?.user)
    upgradeGate.noteResponse(request.raw, reply.raw)
    done()
  }

  fastify.get(config.path, { websocket: true, onRequest: admit, preValidation: fastify.authenticate, preHandler: admitUser }, (socket, request) => {
    const stream = upgradeGate.streamOf(request.raw)
    if (request.identity === null || stream === undefined) return socket.terminate()
    // This socket belongs to the hub alone, not to loops over all WebSockets.
    fastify.websocketServer.clients.delete(socket)
    const protocol = config.compression.enabled && takesDeflated(socket.extensions, request.headers['sec-websocket-extensions'], windowBits) ? deflatedRaw : raw
    const client = service.onOpen(new WsConnection(socket, stream, request.ip), request.identity, protocol)
    if (client === null) return
    // The default binaryType of `ws` gives every message as one Buffer.
    socket.on('message', (data, isBinary) => { service.onMessage(client, data as Buffer, isBinary) })
    socket.on('closing', () => { client.outbox.flushLast() })
    socket.on('error', (error) => service.onError(client, error))
    socket.on('close', (code, reason) => service.onClose(client, code, reason.toString()))
  })
}
