import type { IncomingMessage, Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import fastifyWebsocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import type { Config } from '../services/config/schema.ts'
import { CLOSE } from '../services/model/close-codes.ts'
import { HubError } from '../services/model/errors.ts'
import { SUBPROTOCOLS } from '../services/protocol/subprotocols.ts'
import { chooseSubprotocol } from '../services/transport/handshake.ts'
import { OrderedCloseWebSocket } from '../services/transport/ordered-close-websocket.ts'
import { UpgradeGate } from '../services/transport/upgrade-gate.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Guards the sockets of upgrades that are not complete. */
    upgradeGate: UpgradeGate
  }
}

/** Marks routes with whether they are WebSocket routes; those that were there before the hub have no mark. */
const kIsWebSocket = Symbol('fastify-hub.is-websocket')

/** Upgrades to WebSocket: limits of the `ws` library, choice of the subprotocol, no socket left behind, close on shutdown. */
export const websocket = fp<{ config: Config['websocket'] }>(async (fastify, { config }) => {
  const gate = new UpgradeGate(fastify.server, { handshakeTimeoutMs: config.handshakeTimeout })
  fastify.decorate('upgradeGate', gate)

  if (fastify.hasDecorator('websocketServer')) warnOfForeignLimits(fastify, config)
  else await fastify.register(fastifyWebsocket, { options: wsOptions(config, gate), preClose: closeOtherSockets })

  fastify.websocketServer.on('connection', (_socket: unknown, request) => gate.upgraded(request))

  // Without this, every GET route would complete a handshake, past the token check of the route that is meant for it.
  fastify.addHook('onRoute', (route) => {
    route.config = { ...route.config, [kIsWebSocket]: route.websocket === true || route.wsHandler !== undefined }
  })
  fastify.addHook('onRequest', (request, reply, done) => {
    if (!request.ws || request.is404) return done()
    // A route without a mark can be a WebSocket route only by another @fastify/websocket.
    const mark: unknown = Reflect.get(request.routeOptions.config, kIsWebSocket)
    if (mark === true || (mark === undefined && !gate.isAlone)) return done()
    reply.header('connection', 'close')
    throw new HubError('HUB_UPGRADE_REQUIRED', 'There is no WebSocket at this address.')
  })

  // An upgrade that has been answered was refused, by whichever hook in whatever order.
  fastify.addHook('onResponse', (request, _reply, done) => {
    gate.refused(request.raw)
    done()
  })
  fastify.addHook('preClose', async () => gate.close())
}, { name: 'fastify-hub-websocket', fastify: '5.x' })

type WsOptions = NonNullable<WebsocketPluginOptions['options']>

/** Every limit of `ws` is set on purpose; its defaults allow messages of 100 MiB and stuck closes of 30 s. */
function wsOptions (config: Config['websocket'], gate: UpgradeGate) {
  return {
    // It only calls on() and emit(): the gate passes on what the server would have.
    server: gate as unknown as Server,
    // The types want the static members of the original too.
    WebSocket: OrderedCloseWebSocket as unknown as WsOptions['WebSocket'],
    handleProtocols: (offered: Set<string>, request: IncomingMessage) => chooseSubprotocol(offered, SUBPROTOCOLS, request),
    maxPayload: config.maxMessageSize,
    maxFragments: 16_384,
    maxBufferedChunks: 262_144,
    maxPendingAutoPongs: 60,
    closeTimeout: 5000,
    // It reads what clients have compressed; what they get is compressed once for all, by the hub's protocol.
    perMessageDeflate: config.compression.enabled && { serverNoContextTakeover: true, clientNoContextTakeover: true },
    skipUTF8Validation: false
  }
}

/** @fastify/websocket was there before: its options are its owner's, so the hub can only point at what it would do otherwise. */
function warnOfForeignLimits (fastify: FastifyInstance, config: Config['websocket']): void {
  const { maxPayload = 0, handleProtocols, perMessageDeflate = false } = fastify.websocketServer.options
  if (maxPayload > config.maxMessageSize) {
    fastify.log.warn(`@fastify/websocket reads messages of up to ${maxPayload} bytes before the hub can refuse them; register it with options.maxPayload ${config.maxMessageSize}, or after fastify-hub not at all.`)
  }
  if (config.compression.enabled && perMessageDeflate === false) {
    fastify.log.warn('@fastify/websocket agrees on no compression with anybody, so websocket.compression has no effect; register it with options.perMessageDeflate.')
  }
  if (typeof handleProtocols !== 'function') {
    fastify.log.warn('@fastify/websocket answers with the first subprotocol that a client offers, which may be the one with its token; register it with options.handleProtocols.')
  }
}

/** Closes the WebSockets of routes that are not the hub's; the hub drains its own. */
function closeOtherSockets (this: FastifyInstance, done: () => void): void {
  for (const socket of this.websocketServer.clients) socket.close(CLOSE.restart.code, CLOSE.restart.reason)
  this.websocketServer.close()
  done()
}
