import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import fastifyWebsocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import type { Config } from '../services/config/schema.ts'
import { isThenable } from '../services/lib/thenable.ts'
import { CLOSE } from '../services/model/close-codes.ts'
import { HubError } from '../services/model/errors.ts'
import { SUBPROTOCOLS } from '../services/protocol/subprotocols.ts'
import { chooseSubprotocol } from '../services/transport/handshake.ts'
import { MAX_FRAGMENTS } from '../services/transport/input-meter.ts'
import { envelopeBytes } from '../services/transport/http/request-body.ts'
import { OrderedCloseWebSocket } from '../services/transport/ordered-close-websocket.ts'
import { refusalLogOf } from '../services/transport/http/refusal-log.ts'
import type { UpgradeGate } from '../services/transport/upgrade-gate.ts'

/** Options of the WebSocket plugin. */
export interface WebSocketPluginOptions {
  readonly config: Config['websocket']
  /** Owns the sockets of pending upgrades. */
  readonly upgradeGate: UpgradeGate
}

/** Key in a route's config: whether the route is a WebSocket route. A route from before the hub has no such key. */
const kIsWebSocket = Symbol('fastify-hub.is-websocket')

/**
 * Adds WebSocket upgrades to the application: limits of the `ws` library, selection of the subprotocol, and the upgrade
 * gate, which closes the socket of every refused or incomplete upgrade. Uses the application's @fastify/websocket where
 * there is one, else registers its own.
 */
export const websocket = fp<WebSocketPluginOptions>(async function websocket (fastify, { config, upgradeGate }) {
  const isForeign = fastify.hasDecorator('websocketServer')
  if (isForeign) warnOfForeignLimits(fastify, config)
  else {
    const options = wsOptions(config, upgradeGate)
    await fastify.register(fastifyWebsocket, { options, preClose: closeOtherSockets })
    refuseSecondRegistration(fastify)
  }

  fastify.websocketServer.on('connection', (_socket: unknown, request) => upgradeGate.upgraded(request))

  // Refuse upgrades to other routes: @fastify/websocket would complete an upgrade on any GET route, without the token
  // check of the WebSocket routes.
  fastify.addHook('onRoute', (route) => {
    const isWebSocket = route.websocket === true || route.wsHandler !== undefined
    route.config = Object.assign({}, route.config, { [kIsWebSocket]: isWebSocket })
    // The listener of the application's @fastify/websocket is one of the other listeners.
    if (isWebSocket && !isForeign) upgradeGate.addRoute(route.url)
  })
  fastify.addHook('onRequest', (request, reply, done) => {
    if (!request.ws || request.is404) return done()
    const isWebSocket: unknown = Reflect.get(request.routeOptions.config, kIsWebSocket)
    // A route from before the hub can be a WebSocket route only where another library listens to `upgrade`.
    if (isWebSocket === true || (isWebSocket === undefined && !upgradeGate.isAlone)) return done()
    reply.header('connection', 'close')
    throw new HubError('HUB_UPGRADE_REQUIRED', 'There is no WebSocket at this address.')
  })

  // An HTTP response to an upgrade request is a refusal, from any hook of any plugin.
  fastify.addHook('onResponse', (request, _reply, done) => {
    upgradeGate.refused(request.raw)
    done()
  })
  upgradeGate.on('overdue', ({ remoteAddress: address }: Socket) => {
    const code = 'HUB_REQUEST_TIMEOUT'
    const reason = 'The upgrade was not completed in time.'
    refusalLogOf(fastify).add(code, { address, code, reason }, 'connection closed')
  })
  fastify.addHook('preClose', async () => upgradeGate.close())
}, { name: 'fastify-hub-websocket', fastify: '5.x' })

/**
 * Makes a later registration of @fastify/websocket fail with the cause and the remedy. Its own error names a decorator
 * alone, and ends the process instead of the start of the application.
 */
function refuseSecondRegistration (fastify: FastifyInstance): void {
  const { register } = fastify
  const registerOther = function (this: FastifyInstance, plugin: unknown, options: unknown): unknown {
    const checked = isThenable(plugin) ? Promise.resolve(plugin).then(unlessWebsocket) : unlessWebsocket(plugin)
    return Reflect.apply(register, this, [checked, options])
  }
  Object.assign(fastify, { register: registerOther })
}

/** Returns a plugin, or in place of @fastify/websocket, in any version, a plugin that fails. */
function unlessWebsocket (plugin: unknown): unknown {
  // A module object, from `import()`, has the plugin as its default export.
  const candidates = [plugin, (plugin as { default?: unknown } | undefined)?.default]
  const names = candidates.map((one) => typeof one === 'function' ? metaOf(one)?.name : undefined)
  return names.includes('@fastify/websocket') ? failToRegister : plugin
}

/** What fastify-plugin has noted on a plugin. */
function metaOf (plugin: object): { readonly name?: string } | undefined {
  return Reflect.get(plugin, Symbol.for('plugin-meta')) as { readonly name?: string } | undefined
}

async function failToRegister (): Promise<never> {
  throw new Error(
    'fastify-hub has registered @fastify/websocket already: remove your own registration, as your WebSocket routes work without it, or move it before fastify-hub.'
  )
}

type WsOptions = NonNullable<WebsocketPluginOptions['options']>

/**
 * Options for the `ws` library. Every limit is explicit: the library's defaults allow messages of 100 MiB and closing
 * handshakes of 30 s.
 */
function wsOptions (config: Config['websocket'], upgradeGate: UpgradeGate) {
  return {
    // The library calls only on() and emit() of a server, and the gate emits the server's `upgrade` events.
    server: upgradeGate as unknown as Server,
    // The library's types also require the static members of the original class.
    WebSocket: OrderedCloseWebSocket as unknown as WsOptions['WebSocket'],
    handleProtocols: (offered: Set<string>, request: IncomingMessage) =>
      chooseSubprotocol(offered, SUBPROTOCOLS, request),
    // The hub limits messages by their protocol: JSON around a message may be longer.
    maxPayload: envelopeBytes(config.maxMessageSize),
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: 262_144,
    maxPendingAutoPongs: 60,
    closeTimeout: 5000,
    // The library inflates the messages of clients. The hub's protocols deflate outgoing messages, once for all
    // clients.
    perMessageDeflate: config.compression.enabled && {
      serverNoContextTakeover: true,
      clientNoContextTakeover: true
    },
    skipUTF8Validation: false
  }
}

/**
 * Warns where the application's own @fastify/websocket weakens the configuration of the hub. The hub cannot change the
 * options of a plugin that the application has registered.
 */
function warnOfForeignLimits ({ log, websocketServer }: FastifyInstance, config: Config['websocket']): void {
  const { maxPayload = 0, handleProtocols, perMessageDeflate = false } = websocketServer.options
  const needed = envelopeBytes(config.maxMessageSize)
  if (maxPayload > needed) {
    log.warn(`@fastify/websocket reads messages of up to ${maxPayload} bytes before the hub can refuse them; register it with options.maxPayload ${needed}, or after fastify-hub not at all.`)
  }
  if (maxPayload > 0 && maxPayload < needed) {
    log.warn(`@fastify/websocket refuses messages of more than ${maxPayload} bytes, and JSON around the largest message of the hub may have ${needed}; register it with options.maxPayload ${needed}.`)
  }
  if (config.compression.enabled && perMessageDeflate === false) {
    log.warn('@fastify/websocket agrees on no compression with anybody, so websocket.compression has no effect; register it with options.perMessageDeflate.')
  }
  if (typeof handleProtocols !== 'function') {
    log.warn('@fastify/websocket answers with the first subprotocol that a client offers, which may be the one with its token; register it with options.handleProtocols.')
  }
}

/** Closes the WebSockets of the application's own routes with 1012; the hub drains its own clients. */
function closeOtherSockets (this: FastifyInstance, done: () => void): void {
  for (const socket of this.websocketServer.clients) socket.close(CLOSE.restart.code, CLOSE.restart.reason)
  this.websocketServer.close()
  done()
}
