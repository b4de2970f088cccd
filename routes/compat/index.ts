import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import type { Authenticate } from '../../services/auth/token.ts'
import { withLongTokens } from '../../services/compat/gin-skeleton.ts'
import { LEARN_GIN_PING_MS } from '../../services/compat/learn-gin.ts'
import type { Config } from '../../services/config/schema.ts'
import { createConnectRates } from '../live/endpoint.ts'
import type { WebSocketEndpointOptions } from '../live/ws-endpoint.ts'
import { anonymousIdentity } from './endpoint.ts'
import { ginServerEndpoint } from './gin-server.ts'
import { ginSkeletonEndpoint } from './gin-skeleton.ts'
import { learnGinEndpoint } from './learn-gin.ts'
import { identityFromRequest, pushMessageEndpoint } from './push-message.ts'

/** Options of the endpoints for clients of older services. */
export interface CompatRoutesOptions extends WebSocketEndpointOptions {
  readonly compat: Config['compat']
  /** The token check of the hub; an endpoint in mode `open` replaces or extends it. */
  readonly check: Authenticate<FastifyRequest>
}

/** Consequence of mode `open` for each endpoint, for the warning at the start. */
const RISKS_OF_OPEN = {
  ginSkeleton: 'anybody with any token of 10 characters may connect and read messages to everyone',
  ginServer: 'anybody may connect, call actions and send messages to everybody',
  learnGin: 'anybody may connect and broadcast',
  pushMessage: 'anybody may connect as any user, read that user\'s inbox and groups, use up that user\'s connections, and broadcast'
}

/**
 * The endpoints for clients of five older Go services, each in one of three modes: `off`, `token` (the token check of
 * the hub) or `open` (no check, as in the older service). GinSkeleton and gophrame share an endpoint.
 */
export const compatRoutes: FastifyPluginAsync<CompatRoutesOptions> = async function compatRoutes (fastify, options) {
  const { compat, check, ...endpoint } = options
  // Clients without a token must not spend the rates of clients with one.
  const openRates = createConnectRates(endpoint.config.upgradesPerSecond)

  // Clients of the older services call this action as their sign of life.
  endpoint.node.actions.addDefault('heart_beat', () => null)

  if (compat.ginSkeleton !== 'off') {
    const isOpen = compat.ginSkeleton === 'open'
    await fastify.register(ginSkeletonEndpoint, {
      ...endpoint,
      ...(isOpen ? { ...openRates, authenticate: fastify.authenticateWith(withLongTokens(check)) } : {}),
      code: compat.ginSkeletonCode,
      refusal: compat.ginSkeletonRefusal
    })
  }

  const endpoints = [
    { mode: compat.ginServer, plugin: ginServerEndpoint, openIdentity: anonymousIdentity },
    { mode: compat.learnGin, plugin: learnGinEndpoint, openIdentity: anonymousIdentity },
    { mode: compat.pushMessage, plugin: pushMessageEndpoint, openIdentity: identityFromRequest }
  ]
  for (const { mode, plugin, openIdentity } of endpoints) {
    if (mode === 'off') continue
    const isOpen = mode === 'open'
    await fastify.register(plugin, {
      ...endpoint,
      ...(isOpen ? { ...openRates, authenticate: fastify.authenticateWith(openIdentity) } : {}),
      isOpen
    })
  }

  for (const [name, risk] of Object.entries(RISKS_OF_OPEN)) {
    if (compat[name as keyof typeof RISKS_OF_OPEN] !== 'open') continue
    fastify.log.warn(`compat.${name} is open: ${risk}; set it to token as soon as your clients have tokens`)
  }
}

/** The shortest ping period of the endpoints that are on, in ms; undefined where all endpoints use the hub's period. */
export function compatPingMs ({ learnGin }: Config['compat']): number | undefined {
  return learnGin === 'off' ? undefined : LEARN_GIN_PING_MS
}
