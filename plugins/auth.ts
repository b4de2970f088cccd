import type { FastifyRequest, preValidationHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { findToken } from '../services/auth/credentials.ts'
import type { FailedAttempts } from '../services/auth/failed-attempts.ts'
import type { Authenticate } from '../services/auth/token.ts'
import { isThenable } from '../services/lib/thenable.ts'
import { HubError } from '../services/model/errors.ts'
import { assertIdentity, type Identity } from '../services/model/identity.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Hook that sets `request.identity` from the token of a request, and refuses a request without a valid token. */
    authenticate: preValidationHookHandler
    /** Creates a hook like `authenticate` with another token check. */
    authenticateWith (check: Authenticate<FastifyRequest>): preValidationHookHandler
    /** Creates a hook that refuses a request whose identity does not have the role. */
    authorize (role: string): preValidationHookHandler
  }
  interface FastifyRequest {
    /** The identity that the request's token stands for; null before `authenticate`. */
    identity: Identity | null
  }
}

/** Options of the auth plugin. */
export interface AuthOptions {
  /** The token check of `fastify.authenticate`. */
  readonly authenticate: Authenticate<FastifyRequest>
  /** Counts the requests without a valid token. */
  readonly failedAttempts: FailedAttempts
}

/** Adds `fastify.authenticate`, `fastify.authenticateWith`, `fastify.authorize` and `request.identity`. */
export const auth = fp<AuthOptions>(async function auth (fastify, { authenticate, failedAttempts }) {
  // An application may have decorated `request.identity` before. On the hub's routes, the hub sets it.
  if (!fastify.hasRequestDecorator('identity')) fastify.decorateRequest('identity', null)

  const authenticateWith = (check: Authenticate<FastifyRequest>): preValidationHookHandler =>
    createAuthenticateHook(check, failedAttempts)
  fastify.decorate('authenticate', authenticateWith(authenticate))
  fastify.decorate('authenticateWith', authenticateWith)

  fastify.decorate('authorize', (role) => (request, _reply, done) => {
    if (request.identity?.roles.includes(role) === true) return done()
    throw new HubError('HUB_FORBIDDEN', `This needs a token with the role "${role}".`)
  })
}, { name: 'fastify-hub-auth', fastify: '5.x' })

/**
 * Creates a hook that runs a token check. The hook takes a callback and no promise: most checks return at once, and the
 * hook is then complete before Node reads the next request.
 */
function createAuthenticateHook (
  check: Authenticate<FastifyRequest>, failedAttempts: FailedAttempts
): preValidationHookHandler {
  return (request, _reply, done) => {
    const refuse = (thrown: unknown): void => done(failedAttempts.count(toError(thrown), request.ip))
    const token = findToken(request.headers, request.query)
    try {
      const result = check(token, request)
      if (isThenable(result)) {
        Promise.resolve(result).then((identity) => setIdentity(request, token, identity))
          .then(() => done(), refuse)
        return
      }
      setIdentity(request, token, result)
    } catch (error) {
      return refuse(error)
    }
    done()
  }
}

/**
 * Sets the identity of a request.
 *
 * @throws {HubError} HUB_TOKEN_MISSING, HUB_TOKEN_INVALID when the token check returned no identity.
 */
function setIdentity (request: FastifyRequest, token: string | null, identity: Identity | null): void {
  // A check in JavaScript can also return undefined or false.
  if (identity) {
    assertIdentity(identity)
    request.identity = identity
    return
  }
  if (token === null) {
    throw new HubError(
      'HUB_TOKEN_MISSING',
      'Send a token: "Authorization: Bearer …", "?token=…", or the subprotocol "bearer.…" beside "hub.raw".'
    )
  }
  throw new HubError('HUB_TOKEN_INVALID', 'The token is not valid here.')
}

/** Wraps a thrown value that is no Error. Fastify takes a falsy value for success and would let the request pass. */
function toError (thrown: unknown): Error {
  if (thrown instanceof Error) return thrown
  return new Error('authenticate() threw something that is no Error.', { cause: thrown })
}
