import { IncomingMessage } from 'node:http'
import type { FastifyPluginAsync, preHandlerAsyncHookHandler } from 'fastify'
import type { Config } from '../services/config/schema.ts'
import { HubError } from '../services/errors.ts'
import { checkHandshake, checkOrigin } from '../services/handshake.ts'
import { raw } from '../services/protocol/raw.ts'
import { RateLimit } from '../services/rate-limit.ts'
import { WsConnection } from '../services/ws-connection.ts'
import { WsService } from '../services/ws-service.ts'

/** GET /admin/ws: what may come in, and socket events to WsService. */
export const wsRoute: FastifyPluginAsync<{ config: Config['websocket'] }> = async (fastify, { config }) => {
  const { hub, upgradeGate } = fastify
  const service = new WsService({ hub, log: fastify.log, maxMessageBytes: config.maxMessageSize })
  const upgradeRate = new RateLimit(config.upgradesPerSecond)

  // Cheapest first, and all of it before the token is looked at.
  const admit: preHandlerAsyncHookHandler = async (request) => {
    if (!config.start) throw new HubError('HUB_WEBSOCKET_OFF', 'WebSocket is switched off here (websocket.start is false).', { retryAfter: 60 })
    if (!request.ws) throw new HubError('HUB_UPGRADE_REQUIRED', 'Connect to this address with a WebSocket client.')
    hub.admit()
    if (!upgradeRate.allow(Date.now())) throw new HubError('HUB_TOO_MANY_UPGRADES', 'Too many connections are being opened at once; try again in a second.', { retryAfter: 1 })
    // What `injectWS` makes for tests is no IncomingMessage, and no complete handshake either.
    if (request.raw instanceof IncomingMessage) checkHandshake(request.raw)
    checkOrigin(request.headers, config.allowedOrigins)
  }
  const admitUser: preHandlerAsyncHookHandler = async ({ identity }) => hub.admit(identity?.user)

  fastify.get(config.path, { websocket: true, onRequest: admit, preValidation: fastify.authenticate, preHandler: admitUser }, (socket, request) => {
    const stream = upgradeGate.streamOf(request.raw)
    if (request.identity === null || stream === undefined) return socket.terminate()
    // This socket belongs to the hub alone: not to loops over all WebSockets, nor to an error handler that would cut the close short.
    fastify.websocketServer.clients.delete(socket)
    socket.removeAllListeners('error')

    const client = service.onOpen(new WsConnection(socket, stream, request.ip), request.identity, raw)
    if (client === null) return
    // The default binaryType of `ws` gives every message as one Buffer.
    socket.on('message', (data, isBinary) => { service.onMessage(client, data as Buffer, isBinary) })
    socket.on('closing', () => { client.outbox.flush() })
    socket.on('error', (error) => service.onError(client, error))
    socket.on('close', (code, reason) => service.onClose(client, code, reason.toString()))
  })
}
