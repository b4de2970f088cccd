import { HubError } from '../../model/errors.ts'
import type { UserId } from '../../model/message.ts'
import type { Registry } from './registry.ts'

/** State of a node. Only a `ready` node accepts clients. */
export type NodeState = 'starting' | 'ready' | 'draining' | 'closed'

/** Limits for the number of connections of this node. */
export interface AdmissionLimits {
  /** Connections in all; 0 for no limit. */
  readonly maxClients: number
  /** Connections of one user; 0 for no limit. */
  readonly maxClientsPerUser: number
}

const RETRY_AFTER_SECONDS = 5
const UNLIMITED: AdmissionLimits = { maxClients: 0, maxClientsPerUser: 0 }

/**
 * Checks that the node accepts a further client.
 *
 * @param limits - null when the new connection replaces an existing one, which no limit forbids
 * @param user - user of the connection; without a user only the state and the total are checked
 * @throws {HubError} HUB_DRAINING unless the node is ready
 * @throws {HubError} HUB_FULL at `maxClients` connections
 * @throws {HubError} HUB_USER_FULL at `maxClientsPerUser` connections of this user
 */
export function assertCapacity (
  state: NodeState,
  registry: Registry,
  limits: AdmissionLimits | null,
  user?: UserId
): void {
  const retryAfter = RETRY_AFTER_SECONDS
  if (state !== 'ready') {
    throw new HubError('HUB_DRAINING', `The service is ${state}; connect again in a moment.`, { retryAfter })
  }
  const { maxClients, maxClientsPerUser } = limits ?? UNLIMITED
  if (maxClients > 0 && registry.size >= maxClients) {
    const message = 'The service has as many connections as it may have; connect again later.'
    throw new HubError('HUB_FULL', message, { retryAfter })
  }
  if (user !== undefined && maxClientsPerUser > 0 && registry.connectionsOf(user) >= maxClientsPerUser) {
    const message = `One user may have ${maxClientsPerUser} connections; close one first.`
    throw new HubError('HUB_USER_FULL', message, { retryAfter })
  }
}
