import { systemClock, type Clock } from '../lib/clock.ts'
import { HubError } from '../model/errors.ts'
import type { Identity } from '../model/identity.ts'
import type { TokenCheck } from './token.ts'
import { trimOldest } from '../lib/bounded-map.ts'

/** Tokens that are remembered at most. */
const MAX_TOKENS = 1000
/** Longer ones are checked each time: the memory for what strangers send is bounded. */
const MAX_TOKEN_LENGTH = 4096

/**
 * Remembers which tokens a check has accepted, so that a backend which sends the same token with every request pays for
 * its signature once. A token is found by all of its characters, never by a digest or a part, so none can be taken for
 * another; its end is looked at each time; a refusal is never remembered.
 */
export function cacheVerifiedTokens (check: TokenCheck, clock: Clock = systemClock): TokenCheck {
  const verified = new Map<string, Identity>()
  return (token) => {
    const known = verified.get(token)
    if (known !== undefined) {
      if (known.expiresAt === undefined || known.expiresAt > clock.wall()) return copyOf(known)
      verified.delete(token)
      throw new HubError('HUB_TOKEN_EXPIRED', 'The token has expired; get a new one.')
    }
    const identity = check(token)
    if (token.length <= MAX_TOKEN_LENGTH) {
      verified.set(token, copyOf(identity))
      trimOldest(verified, MAX_TOKENS)
    }
    return identity
  }
}

/** Each request has an identity of its own, whatever an application does to it. */
function copyOf (identity: Identity): Identity {
  return { ...identity, roles: [...identity.roles] }
}
