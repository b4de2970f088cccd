import { randomUUID } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Identity } from '../identity.ts'
import { demoIdentity, isExpiry, type Authenticate } from '../token.ts'
import { MIN_TOKEN_CHARACTERS } from './gin-skeleton.ts'
import { mailboxIn } from './push-message.ts'

/** Somebody about whom nothing is known: each connection is a user of its own, without roles. */
export function stranger (): Identity {
  return { user: `guest-${randomUUID()}`, roles: [] }
}

/** Whoever a request of a pushMessage client names. */
export function namedByRequest (_token: string | null, { params, query }: Pick<FastifyRequest, 'params' | 'query'>): Identity {
  return { user: mailboxIn(params, query), roles: [] }
}

/** Lets in whom a token check lets in, and as a user without roles whoever else has a token of the length that GinSkeleton asked for. */
export function withLongTokens<Request> (authenticate: Authenticate<Request>): Authenticate<Request> {
  return async (token, request) => {
    const isLong = token !== null && [...token].length >= MIN_TOKEN_CHARACTERS
    try {
      const identity = await authenticate(token, request)
      if (identity !== null || !isLong) return identity
    } catch (error) {
      // Who had a token of ours needs a new one.
      if (!isLong || isExpiry(error)) throw error
    }
    return demoIdentity(token)
  }
}
