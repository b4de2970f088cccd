import { LogController, type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import { auth } from './plugins/auth.ts'
import { engine } from './plugins/engine.ts'
import { errors, notFound, sendClientError, sendError } from './plugins/errors.ts'
import { hub } from './plugins/hub.ts'
// Emitted types keep only this form of the import; without it, a package that imports this one has no type for `fastify.hub`.
import './plugins/hub.ts'
import { securityHeaders } from './plugins/security-headers.ts'
import { consoleFiles } from './plugins/static.ts'
import { websocket } from './plugins/websocket.ts'
import { broadcastRoute } from './routes/api/broadcast.ts'
import { clientRoutes } from './routes/api/clients.ts'
import { groupRoutes } from './routes/api/groups.ts'
import { inboxRoutes } from './routes/api/inboxes.ts'
import { messageRoutes } from './routes/api/messages.ts'
import { compatPingMs, compatRoutes } from './routes/compat/index.ts'
import { healthRoutes } from './routes/health.ts'
import { sseRoute } from './routes/live/sse.ts'
import { wsRoute } from './routes/live/ws.ts'
import { createDemoTokenCheck, createTokenCheck, type Authenticate } from './services/auth/token.ts'
import { cacheVerifiedTokens } from './services/auth/token-cache.ts'
import { completeConfig } from './services/config/load.ts'
import type { Config, ConfigInput } from './services/config/schema.ts'
import { RateLimit } from './services/lib/rate-limit.ts'
import { ADMIN_ROLE } from './services/model/identity.ts'

/** Options of the plugin: the keys of config.yml that concern the hub, and options that only code can give. */
export interface FastifyHubOptions extends Omit<ConfigInput, 'server' | 'logger' | 'console'> {
  /** Path of the WebSocket endpoint; short for `websocket.path`. Default `/admin/ws`. */
  path?: string
  /** Prefix of every path of the hub. Default: none. */
  prefix?: string
  /** A token check of the application, in place of `auth`. */
  authenticate?: Authenticate<FastifyRequest>
  /** Also serve the REST API (`POST /broadcast`, `GET /clients`, …). Default false. */
  api?: boolean
}

/**
 * Adds the hub to a Fastify application as `fastify.hub`.
 *
 * @throws {ConfigError} at boot, when an option is unknown or has a wrong value.
 * @throws {Error} at boot, when neither `auth.secret` nor `authenticate` is given, or when `fastify.hub` exists already.
 * @example
 * await app.register(fastifyHub, { auth: { secret: process.env.HUB_AUTH_SECRET } })
 * await app.hub.broadcast('hello')
 */
export const fastifyHub = fp<FastifyHubOptions>(async function fastifyHub (fastify, { path, prefix, authenticate, ...input }) {
  if (fastify.hasDecorator('hub')) throw new Error('There is a fastify.hub already: register fastify-hub once, and use another name for a decorator of your own.')
  const config = completeConfig({ api: false, ...input, websocket: { ...input.websocket, ...(path === undefined ? {} : { path }) } })
  if (authenticate === undefined && config.auth.secret === '') {
    throw new Error('fastify-hub needs to know how to check tokens: pass auth.secret (at least 32 characters) or authenticate(token, request).')
  }
  await addHub(fastify, config, { prefix, authenticate })
}, { name: 'fastify-hub', fastify: '5.x' })

/** The service as one plugin: the hub, its REST API, the health routes and the console, as the configuration says. */
export const app = fp<{ config: Config }>(async function fastifyHubService (fastify, { config }) {
  await fastify.register(errors)
  await fastify.register(notFound)
  await addHub(fastify, config)

  await fastify.register(async function openRoutes (scope) {
    await scope.register(securityHeaders)
    if (config.api) await scope.register(healthRoutes)
    if (config.console) await scope.register(consoleFiles)
  })
}, { name: 'fastify-hub-app', fastify: '5.x' })

/** Options of the Fastify instance that the service runs in: secrets stay out of the log, and everything has a limit. */
export function serverOptions ({ logger, server, websocket }: Config) {
  return {
    logger: {
      level: logger.level,
      serializers: {
        // The path alone: a query may carry a token under any spelling.
        req: ({ method, url, ip, id }: { method: string, url: string, ip: string, id: string }) => ({ method, path: url.split('?', 1)[0], remoteAddress: ip, id })
      }
    },
    logController: new LogController({ disableRequestLogging: !logger.requests }),
    frameworkErrors: sendError,
    clientErrorHandler: sendClientError,
    trustProxy: server.trustProxy,
    pluginTimeout: 2 * websocket.drain.grace + 10_000,
    requestTimeout: 30_000,
    keepAliveTimeout: 5000,
    http: { highWaterMark: websocket.writeReadBufferSize },
    routerOptions: { maxParamLength: 256 }
  } satisfies FastifyServerOptions & { http: { highWaterMark: number } }
}

interface HubAddOptions {
  readonly prefix?: string | undefined
  readonly authenticate?: Authenticate<FastifyRequest> | undefined
}

/** The hub's plugins, then its routes in a scope of their own. */
async function addHub (fastify: FastifyInstance, config: Config, { prefix, authenticate = tokenAuthentication(config.auth) }: HubAddOptions = {}): Promise<void> {
  await fastify.register(websocket, { config: config.websocket })
  await fastify.register(engine, { config })
  await fastify.register(hub, { config, shortestPingMs: compatPingMs(config.compat) })

  await fastify.register(async function hubRoutes (scope) {
    await scope.register(errors)
    await scope.register(auth, { authenticate })

    // One rate limit for the connections of all endpoints together.
    const endpoint = { config: config.websocket, connectRate: new RateLimit(config.websocket.upgradesPerSecond), authenticate: scope.authenticate }
    if (config.compat.ginSkeleton === 'off') await scope.register(wsRoute, endpoint)
    if (config.sse.start) await scope.register(sseRoute, { ...endpoint, sse: config.sse })
    await scope.register(compatRoutes, { ...endpoint, compat: config.compat, check: authenticate })
    if (config.api) await scope.register(apiRoutes, { bodyLimit: config.websocket.maxMessageSize + ENVELOPE_BYTES })
  }, { prefix })
}

/** Bytes that the body of a request may have beyond the largest message. */
const ENVELOPE_BYTES = 4096

/** The REST API, for tokens with the role admin. */
async function apiRoutes (fastify: FastifyInstance, { bodyLimit }: { bodyLimit: number }): Promise<void> {
  fastify.setValidatorCompiler(TypeBoxValidatorCompiler)
  // The application's own compilers may not understand these schemas.
  fastify.setSerializerCompiler(() => (data) => JSON.stringify(data))
  await fastify.register(securityHeaders)
  fastify.addHook('onRequest', fastify.authenticate)
  fastify.addHook('onRequest', fastify.authorize(ADMIN_ROLE))

  await fastify.register(broadcastRoute, { bodyLimit })
  await fastify.register(messageRoutes, { bodyLimit })
  await fastify.register(clientRoutes)
  await fastify.register(groupRoutes)
  await fastify.register(inboxRoutes)
}

function tokenAuthentication (config: Config['auth']): Authenticate<FastifyRequest> {
  const checkJwt = cacheVerifiedTokens(createTokenCheck(config))
  const check = config.mode === 'demo' ? createDemoTokenCheck(checkJwt) : checkJwt
  return (token) => token === null ? null : check(token)
}
