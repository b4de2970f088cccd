import type { ServerOptions } from 'node:http'
import { LogController, type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import { auth } from './plugins/auth.ts'
import { closeConnections } from './plugins/close-connections.ts'
import { openEngine } from './plugins/engine.ts'
import { errors, notFound, sendClientError, sendError } from './plugins/errors.ts'
import { createNode, hub } from './plugins/hub.ts'
// The emitted types keep only this form of the import: an application that imports this package gets the type of
// `fastify.hub` from it.
import './plugins/hub.ts'
import { order } from './plugins/order.ts'
import { securityHeaders } from './plugins/security-headers.ts'
import { fitClients, limitConnections } from './plugins/socket-limits.ts'
import { consoleFiles } from './plugins/static.ts'
import { websocket } from './plugins/websocket.ts'
import { clientRoutes } from './routes/api/clients.ts'
import { groupRoutes } from './routes/api/groups.ts'
import { inboxRoutes } from './routes/api/inboxes.ts'
import { messageRoutes } from './routes/api/messages.ts'
import { deferBodies, readJsonBody } from './routes/bodies.ts'
import { useOwnCompilers } from './routes/compilers.ts'
import { compatPingMs, compatRoutes } from './routes/compat/index.ts'
import { healthRoutes } from './routes/health.ts'
import { createConnectRates } from './routes/live/endpoint.ts'
import { sseRoute } from './routes/live/sse.ts'
import { wsRoute } from './routes/live/ws.ts'
import { FailedAttempts } from './services/auth/failed-attempts.ts'
import { createDemoTokenCheck, createTokenCheck, type Authenticate } from './services/auth/token.ts'
import { cacheVerifiedTokens } from './services/auth/token-cache.ts'
import { SHARED_ORIGINS } from './services/config/convert.ts'
import { completeConfig } from './services/config/load.ts'
import { pluginFaults } from './services/config/plugin-options.ts'
import type { ConfigInput } from './services/config/input.ts'
import type { Config } from './services/config/schema.ts'
import { systemClock } from './services/lib/clock.ts'
import { ADMIN_ROLE } from './services/model/identity.ts'
import { escapeControls } from './services/model/json.ts'
import { pathOf } from './services/transport/http/refusal-log.ts'
import { UpgradeGate, type PathRules } from './services/transport/upgrade-gate.ts'

/** Options of `fastifyHub`: the keys of config.yml that concern the hub, and options for code alone. */
export interface FastifyHubOptions extends Omit<ConfigInput, 'server' | 'logger' | 'console'> {
  /**
   * Path of the WebSocket endpoint; short for `websocket.path`.
   *
   * @default '/admin/ws'
   */
  path?: string | undefined
  /**
   * Prefix for the paths of all routes of the hub.
   *
   * @default ''
   */
  prefix?: string
  /**
   * Token check of the application, in place of `auth`. Returns the identity of a request; null refuses the request.
   */
  authenticate?: Authenticate<FastifyRequest> | undefined
  /**
   * Whether to add the REST API (`POST /broadcast`, `GET /clients`, …), for tokens with the role `admin`.
   *
   * @default false
   */
  api?: boolean | undefined
}

/**
 * Adds the hub to a Fastify application as `fastify.hub`, with an endpoint for WebSocket clients and one for
 * Server-Sent Events clients.
 *
 * @throws {ConfigError} at boot, for an unknown option and for an option with a wrong value.
 * @throws {Error} at boot, when `auth.secret` and `authenticate` are both missing, and when the application has a
 * `fastify.hub` already.
 * @example
 * await app.register(fastifyHub, { auth: { secret: process.env.HUB_AUTH_SECRET } })
 * await app.hub.broadcast('hello')
 */
export const fastifyHub = fp<FastifyHubOptions>(async function fastifyHub (fastify, options) {
  const { path, prefix, authenticate, ...input } = options
  if (fastify.hasDecorator('hub')) {
    throw new Error('There is a fastify.hub already: register fastify-hub once, and use another name for a decorator of your own.')
  }
  const websocketInput = path === undefined ? input.websocket : { ...input.websocket, path }
  const config = completeConfig({ api: false, ...input, websocket: websocketInput }, process.env, pluginFaults(options))
  if (authenticate === undefined && config.auth.secret === '') {
    throw new Error('fastify-hub needs to know how to check tokens: pass auth.secret (at least 32 characters) or authenticate(token, request).')
  }
  await fastify.register(order)
  await addHub(fastify, config, authenticate, prefix)
}, { name: 'fastify-hub', fastify: '5.x' })

/** The service as one plugin: the hub with its REST API, then the health routes and the console, as configured. */
export const app = fp<{ config: Config }>(async function fastifyHubService (fastify, { config }) {
  await fastify.register(errors)
  await fastify.register(notFound)
  await addHub(fastify, config)
  limitConnections(fastify, config)
  await fastify.register(closeConnections, { graceMs: config.websocket.drain.grace })

  await fastify.register(async function routesWithoutToken (scope) {
    await scope.register(securityHeaders)
    if (config.api) await scope.register(healthRoutes)
    if (config.console) await scope.register(consoleFiles)
  })
}, { name: 'fastify-hub-app', fastify: '5.x' })

/** Adds the plugins of the hub to the application, then the routes in a scope of their own. */
async function addHub (
  fastify: FastifyInstance,
  config: Config,
  applicationCheck?: Authenticate<FastifyRequest>,
  prefix = ''
): Promise<void> {
  const { compat, sse } = config
  const websocketConfig = { ...config.websocket, maxClients: fitClients(fastify, config) }
  for (const origin of websocketConfig.allowedOrigins) {
    if (!SHARED_ORIGINS.includes(origin)) continue
    fastify.log.warn(`websocket.allowedOrigins has ${origin}: sandboxed frames, local files and others share this origin`)
  }
  const upgradeGate = new UpgradeGate(fastify.server, websocketConfig.handshakeTimeout, pathRulesOf(fastify))
  const engine = await openEngine(fastify, config)
  const node = createNode(fastify, { ...config, websocket: websocketConfig }, engine, compatPingMs(compat))
  await fastify.register(hub, { node })
  // After the hub: during the drain, upgrades are still completed, so that refused clients get a close code.
  await fastify.register(websocket, { config: websocketConfig, upgradeGate })

  await fastify.register(async function hubRoutes (scope) {
    await scope.register(errors)
    useOwnCompilers(scope)
    const failedAttempts = new FailedAttempts(config.auth.failuresPerSecond, systemClock)
    const authenticate = applicationCheck === undefined
      ? authenticateWithJwt(config.auth)
      : failedAttempts.spare(applicationCheck)
    await scope.register(auth, { authenticate, failedAttempts })

    // All endpoints with a token check share the rates of new connections.
    const rates = createConnectRates(websocketConfig.upgradesPerSecond)
    const endpoint = { config: websocketConfig, node, upgradeGate, ...rates, authenticate: scope.authenticate }
    // With compat.ginSkeleton, compatRoutes adds the WebSocket route of the same path.
    if (compat.ginSkeleton === 'off') await scope.register(wsRoute, endpoint)
    if (sse.start) await scope.register(sseRoute, { ...endpoint, sse })
    await scope.register(compatRoutes, { ...endpoint, compat, check: authenticate })
    if (config.api) await scope.register(apiRoutes, { maxMessageBytes: websocketConfig.maxMessageSize })
  }, { prefix })
}

/** How the application matches paths: Fastify also takes the options outside of `routerOptions`. */
function pathRulesOf ({ initialConfig }: FastifyInstance): PathRules {
  const { routerOptions, ...rest } = initialConfig
  return { ...rest, ...routerOptions }
}

/** The REST API, for tokens with the role `admin`. */
async function apiRoutes (fastify: FastifyInstance, { maxMessageBytes }: { maxMessageBytes: number }): Promise<void> {
  deferBodies(fastify)
  await fastify.register(securityHeaders)
  // As hooks of each route, behind all hooks of the application. The body is read for an operator alone.
  fastify.addHook('onRoute', (route) => {
    route.preValidation = [fastify.authenticate, fastify.authorize(ADMIN_ROLE), readJsonBody]
  })

  await fastify.register(messageRoutes, { maxMessageBytes })
  await fastify.register(clientRoutes)
  await fastify.register(groupRoutes)
  await fastify.register(inboxRoutes)
}

/** The token check of the configuration: JWTs signed with `auth.secret`; in demo mode also other long tokens. */
function authenticateWithJwt (config: Config['auth']): Authenticate<FastifyRequest> {
  const checkJwt = cacheVerifiedTokens(createTokenCheck(config))
  const check = config.mode === 'demo' ? createDemoTokenCheck(checkJwt) : checkJwt
  return (token) => token === null ? null : check(token)
}

/** Time in ms for the headers of a request to arrive. */
const HEADERS_TIMEOUT_MS = 10_000
/** Time in ms for a whole request to arrive, with its body. */
const REQUEST_TIMEOUT_MS = 30_000

/** Options of the Fastify instance for the service: the log contains no token, and every request has limits. */
export function serverOptions ({ logger, server, websocket }: Config) {
  return {
    logger: { level: logger.level, serializers: { req: serializeRequest }, hooks: { streamWrite: escapeControls } },
    logController: new LogController({ disableRequestLogging: !logger.requests }),
    frameworkErrors: sendError,
    clientErrorHandler: sendClientError,
    trustProxy: server.trustProxy,
    pluginTimeout: 2 * websocket.drain.grace + 10_000,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Fastify would answer 503 to every request while the service closes: event streams would end for good.
    return503OnClosing: false,
    keepAliveTimeout: server.keepAliveTimeout,
    http: {
      highWaterMark: websocket.writeReadBufferSize,
      headersTimeout: HEADERS_TIMEOUT_MS,
      // Node checks both times only this often, by default every 30 s.
      connectionsCheckingInterval: 1000
    },
    routerOptions: { maxParamLength: 256 }
  } satisfies FastifyServerOptions & { http: ServerOptions }
}

/** Log fields of a request. The path stands without query and fragment, because both can contain a token. */
function serializeRequest ({ method, url, ip, id }: { method: string, url: string, ip: string, id: string }) {
  return { method, path: pathOf(url), remoteAddress: ip, id }
}
