import type { FastifyInstance, preValidationHookHandler } from 'fastify'
import type { Config } from '../../services/config/schema.ts'
import { systemClock } from '../../services/lib/clock.ts'
import type { RateLimit } from '../../services/lib/rate-limit.ts'
import { HubError } from '../../services/model/errors.ts'

/** Options that all endpoints share. */
export interface EndpointOptions {
  readonly config: Config['websocket']
  /** Rate limit of new connections, shared by all endpoints. */
  readonly connectRate: RateLimit
  /** Hook that checks the token of a client and sets `request.identity`. */
  readonly authenticate: preValidationHookHandler
}

/**
 * Refuses a connection that exceeds the node's limits, before the token check.
 *
 * @param isReplacing - whether the client replaces a connection of its own, which `maxClients` does not limit.
 * @throws {HubError} HUB_DRAINING, HUB_FULL, HUB_TOO_MANY_UPGRADES.
 */
export function assertCapacity (hub: FastifyInstance['hub'], connectRate: RateLimit, isReplacing = false): void {
  hub.admit(undefined, isReplacing)
  if (connectRate.allow(systemClock.steady())) return
  const sentence = 'Too many connections are being opened at once; try again in a second.'
  throw new HubError('HUB_TOO_MANY_UPGRADES', sentence, { retryAfter: 1 })
}
