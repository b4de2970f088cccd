import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import { registerDoors } from './routes/compat/index.ts'
import { auth } from './plugins/auth.ts'
import { engine } from './plugins/engine.ts'
import { errors } from './plugins/errors.ts'
import { hub } from './plugins/hub.ts'
// Emitted types keep only this form, and without it nobody who imports the package would know `fastify.hub`.
import './plugins/hub.ts'
import { securityHeaders } from './plugins/security-headers.ts'
import { websocket } from './plugins/websocket.ts'
import { broadcastRoute } from './routes/api/broadcast.ts'
import { clientRoutes } from './routes/api/clients.ts'
import { groupRoutes } from './routes/api/groups.ts'
import { inboxRoutes } from './routes/api/inboxes.ts'
import { messageRoutes } from './routes/api/messages.ts'
import { completeConfig } from './services/config/load.ts'
import type { Config, ConfigInput } from './services/config/schema.ts'
import { ADMIN_ROLE } from './services/model/identity.ts'
import { createDemoTokenCheck, createTokenCheck, type Authenticate } from './services/auth/token.ts'
import { cacheVerifiedTokens } from './services/auth/token-cache.ts'

/** Options of the plugin: every key of config.yml that concerns the hub, and what only code can say. */
export interface FastifyHubOptions extends Omit<ConfigInput, 'server' | 'logger' | 'console'> {
  /** Where clients connect; short for `websocket.path`. */
  path?: string
  /** Put before every path of the hub. */
  prefix?: string
  /** Your own token check, in place of `auth`. */
  authenticate?: Authenticate<FastifyRequest>
  /** Also serve the REST API (POST /broadcast, GET /clients, …). Default false. */
  api?: boolean
}

/**
 * The hub in any Fastify application: `await app.register(fastifyHub, { auth: { secret } })`, then `app.hub.broadcast(…)`.
 * Throws at boot when an option is wrong or no token check is given.
 */
export const fastifyHub = fp<FastifyHubOptions>(async (fastify, { path, prefix, authenticate, ...input }) => {
  if (fastify.hasDecorator('hub')) throw new Error('There is a fastify.hub already: register fastify-hub once, and use another name for a decorator of your own.')
  const config = completeConfig({ api: false, ...input, websocket: { ...input.websocket, ...(path === undefined ? {} : { path }) } })
  if (authenticate === undefined && config.auth.secret === '') {
    throw new Error('fastify-hub needs to know how to check tokens: pass auth.secret (at least 32 characters) or authenticate(token, request).')
  }
  await registerHub(fastify, { config, prefix, authenticate })
}, { name: 'fastify-hub', fastify: '5.x' })

/** What the hub is put together from. */
export interface HubParts {
  readonly config: Config
  readonly prefix?: string | undefined
  readonly authenticate?: Authenticate<FastifyRequest> | undefined
}

/** The hub's plugins and routes, in reading order. Only `fastify.hub`, its engine and the upgrades are visible outside. */
export async function registerHub (fastify: FastifyInstance, { config, prefix, authenticate = tokenAuthentication(config.auth) }: HubParts): Promise<void> {
  await fastify.register(websocket, { config: config.websocket })
  await fastify.register(engine, { config })
  await fastify.register(hub, { config })

  await registerDoors(fastify, { config, prefix, authenticate })

  if (!config.api) return
  await fastify.register(async (api) => {
    const bodyLimit = config.websocket.maxMessageSize + ENVELOPE_BYTES
    api.setValidatorCompiler(TypeBoxValidatorCompiler)
    // An application's own compilers may not understand these schemas.
    api.setSerializerCompiler(() => (data) => JSON.stringify(data))
    await api.register(errors)
    await api.register(securityHeaders)
    await api.register(auth, { authenticate })
    api.addHook('onRequest', api.authenticate)
    api.addHook('onRequest', api.authorize(ADMIN_ROLE))
    await api.register(broadcastRoute, { bodyLimit })
    await api.register(messageRoutes, { bodyLimit })
    await api.register(clientRoutes)
    await api.register(groupRoutes)
    await api.register(inboxRoutes)
  }, { prefix })
}

/** What a request's body may have beyond the largest message. */
const ENVELOPE_BYTES = 4096

function tokenAuthentication (config: Config['auth']): Authenticate<FastifyRequest> {
  const checkJwt = cacheVerifiedTokens(createTokenCheck(config))
  const check = config.mode === 'demo' ? createDemoTokenCheck(checkJwt) : checkJwt
  return (token) => token === null ? null : check(token)
}
