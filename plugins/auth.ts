import type { FastifyRequest, preValidationHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { findToken } from '../services/auth/credentials.ts'
import { HubError } from '../services/model/errors.ts'
import { assertIdentity, type Identity } from '../services/model/identity.ts'
import type { Authenticate } from '../services/auth/token.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Hook that refuses a request without a valid token, and sets `request.identity`. */
    authenticate: preValidationHookHandler
    /** Makes a hook like `authenticate` with another token check. */
    authenticateWith (check: Authenticate<FastifyRequest>): preValidationHookHandler
    /** Makes a hook that refuses a request whose identity does not have the role. */
    authorize (role: string): preValidationHookHandler
  }
  interface FastifyRequest {
    /** The identity that the request's token stands for; null before `authenticate`. */
    identity: Identity | null
  }
}

/** Adds `fastify.authenticate`, `fastify.authenticateWith`, `fastify.authorize` and `request.identity`. */
export const auth = fp<{ authenticate: Authenticate<FastifyRequest> }>(async function auth (fastify, { authenticate }) {
  // An application may have a `request.identity` of its own; on the hub's routes it is the hub's.
  if (!fastify.hasRequestDecorator('identity')) fastify.decorateRequest('identity', null)

  fastify.decorate('authenticate', createAuthenticateHook(authenticate))
  fastify.decorate('authenticateWith', createAuthenticateHook)

  fastify.decorate('authorize', (role) => (request, _reply, done) => {
    if (request.identity?.roles.includes(role) === true) return done()
    throw new HubError('HUB_FORBIDDEN', `This needs a token with the role "${role}".`)
  })
}, { name: 'fastify-hub-auth', fastify: '5.x' })

/** A hook that runs a token check. Not async: most checks return at once, and the hook is then done before the next request is read. */
function createAuthenticateHook (check: Authenticate<FastifyRequest>): preValidationHookHandler {
  return (request, _reply, done) => {
    const token = findToken(request.headers, request.query)
    let result: ReturnType<typeof check>
    try {
      result = check(token, request)
    } catch (error) {
      return done(toError(error))
    }
    if (isPending(result)) {
      Promise.resolve(result).then((identity) => accept(request, token, identity)).then(() => done(), (error: unknown) => done(toError(error)))
      return
    }
    accept(request, token, result)
    done()
  }
}

/** Sets the identity of a request. Throws when the token check gave no identity. */
function accept (request: FastifyRequest, token: string | null, identity: Identity | null): void {
  // Code in JavaScript says no in more ways than the type allows.
  if (identity) {
    assertIdentity(identity)
    request.identity = identity
    return
  }
  if (token === null) throw new HubError('HUB_TOKEN_MISSING', 'Send a token: "Authorization: Bearer …", "?token=…", or the subprotocol "bearer.…" beside "hub.raw".')
  throw new HubError('HUB_TOKEN_INVALID', 'The token is not valid here.')
}

function isPending (result: Identity | null | Promise<Identity | null>): result is Promise<Identity | null> {
  return typeof result === 'object' && result !== null && 'then' in result
}

/** What was thrown, as an error: Fastify would take a falsy one for none, and let the request pass. */
function toError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('authenticate() threw something that is no Error.', { cause: thrown })
}
