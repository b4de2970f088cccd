import { HubError } from '../../model/errors.ts'
import type { UserId } from '../../model/message.ts'
import type { Registry } from './registry.ts'

/** Whether a hub takes clients. */
export type HubState = 'starting' | 'ready' | 'draining' | 'closed'

/** How many connections there may be; 0 for no limit. */
export interface AdmissionLimits {
  readonly maxClients: number
  readonly maxClientsPerUser: number
}

const RETRY_AFTER_SECONDS = 5
const UNLIMITED: AdmissionLimits = { maxClients: 0, maxClientsPerUser: 0 }

/** Throws a HubError when no further client may come in: HUB_DRAINING, HUB_FULL, and HUB_USER_FULL when the user is known. */
export function admit (state: HubState, registry: Registry, limits: AdmissionLimits | null, user?: UserId): void {
  const retryAfter = RETRY_AFTER_SECONDS
  if (state !== 'ready') {
    throw new HubError('HUB_DRAINING', `The service is ${state}; connect again in a moment.`, { retryAfter })
  }
  const { maxClients, maxClientsPerUser } = limits ?? UNLIMITED
  if (maxClients > 0 && registry.size >= maxClients) {
    throw new HubError('HUB_FULL', 'The service has as many connections as it may have; connect again later.', { retryAfter })
  }
  if (user !== undefined && maxClientsPerUser > 0 && registry.connectionsOf(user) >= maxClientsPerUser) {
    throw new HubError('HUB_USER_FULL', `One user may have ${maxClientsPerUser} connections; close one first.`, { retryAfter })
  }
}
