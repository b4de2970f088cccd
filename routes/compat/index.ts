import type { FastifyInstance, FastifyRequest } from 'fastify'
import { auth } from '../../plugins/auth.ts'
import { errors } from '../../plugins/errors.ts'
import { ginServerEndpoint } from './gin-server.ts'
import { anonymousIdentity } from './endpoint.ts'
import { ginSkeletonEndpoint } from './gin-skeleton.ts'
import { learnGinEndpoint } from './learn-gin.ts'
import { identityFromRequest, pushMessageEndpoint } from './push-message.ts'
import { sseRoute } from '../live/sse.ts'
import { wsRoute } from '../live/ws.ts'
import { withLongTokens } from '../../services/compat/gin-skeleton.ts'
import type { Config } from '../../services/config/schema.ts'
import { RateLimit } from '../../services/lib/rate-limit.ts'
import type { Authenticate } from '../../services/auth/token.ts'

/** Who may come in, and where. */
export interface DoorsParts {
  readonly config: Config
  readonly prefix?: string | undefined
  readonly authenticate: Authenticate<FastifyRequest>
}

/** What everybody may do where a door is open. */
const OPEN = {
  ginSkeleton: 'anybody with any token of 10 characters may connect and read what is said to everyone',
  ginServer: 'anybody may connect, call actions and reach everybody',
  learnGin: 'anybody may connect, and say something to everybody',
  pushMessage: 'anybody may connect as any user, read that user\'s inbox and groups, take up the connections that user may have, and say something to everybody'
}

/** Every way in for clients, each with a token check of its own. */
export async function registerDoors (fastify: FastifyInstance, { config, prefix, authenticate }: DoorsParts): Promise<void> {
  const { compat, sse, websocket } = config
  // Those of all doors together.
  const limits = { config: websocket, connectRate: new RateLimit(websocket.upgradesPerSecond) }
  const register = (check: Authenticate<FastifyRequest>, addRoute: (door: FastifyInstance) => unknown) => fastify.register(async (door) => {
    await door.register(errors)
    await door.register(auth, { authenticate: check })
    await addRoute(door)
  }, { prefix })

  if (compat.ginSkeleton === 'off') await register(authenticate, (door) => door.register(wsRoute, limits))
  else {
    const check = compat.ginSkeleton === 'open' ? withLongTokens(authenticate) : authenticate
    await register(check, (door) => door.register(ginSkeletonEndpoint, { ...limits, code: compat.ginSkeletonCode, refusal: compat.ginSkeletonRefusal }))
  }
  if (sse.start) await register(authenticate, (door) => door.register(sseRoute, { ...limits, config }))

  // Clients of older services; where a door is open, nobody has to show anything.
  const older = [
    { mode: compat.ginServer, route: ginServerEndpoint, guest: anonymousIdentity },
    { mode: compat.learnGin, route: learnGinEndpoint, guest: anonymousIdentity },
    { mode: compat.pushMessage, route: pushMessageEndpoint, guest: identityFromRequest }
  ]
  for (const { mode, route, guest } of older) {
    const isOpen = mode === 'open'
    if (mode !== 'off') await register(isOpen ? guest : authenticate, (door) => door.register(route, { ...limits, isOpen }))
  }
  for (const [name, harm] of Object.entries(OPEN)) {
    if (compat[name as keyof typeof OPEN] === 'open') fastify.log.warn(`compat.${name} is open: ${harm}; set it to token as soon as your clients have tokens`)
  }
}
