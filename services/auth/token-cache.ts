import { BoundedMap } from '../lib/bounded-map.ts'
import { systemClock, type Clock } from '../lib/clock.ts'
import type { Identity } from '../model/identity.ts'
import { expired, type TokenCheck } from './token.ts'

/** Tokens in the cache at most; beyond them the oldest is evicted. */
const MAX_TOKENS = 1000
/** Longer tokens are verified on every request, so that unverified clients cannot fill the memory. */
const MAX_TOKEN_LENGTH = 4096

/**
 * Wraps a token check with a cache of accepted tokens, so that a backend which sends the same token with every request
 * costs one signature check. The whole token is the cache key, never a digest or a part of the token, so that two
 * tokens cannot be mixed up. The expiry is checked on every call. Refusals are not cached.
 *
 * @param clock Decides whether a cached token has expired.
 */
export function cacheVerifiedTokens (check: TokenCheck, clock: Clock = systemClock): TokenCheck {
  const verified = new BoundedMap<string, Identity>(MAX_TOKENS)
  return (token) => {
    const cached = verified.get(token)
    if (cached !== undefined) {
      if (cached.expiresAt === undefined || cached.expiresAt > clock.wall()) return copyOf(cached)
      verified.delete(token)
      throw expired()
    }
    const identity = check(token)
    if (token.length <= MAX_TOKEN_LENGTH) verified.set(token, copyOf(identity))
    return identity
  }
}

/** A copy for one request: an application that changes the identity of a request must not change the cached one. */
function copyOf (identity: Identity): Identity {
  const { roles, groups } = identity
  return { ...identity, roles: [...roles], ...(groups === undefined ? {} : { groups: [...groups] }) }
}
