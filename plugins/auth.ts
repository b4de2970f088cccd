import type { FastifyRequest, preValidationHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { findToken } from '../services/auth/credentials.ts'
import { HubError } from '../services/model/errors.ts'
import { assertIdentity, type Identity } from '../services/model/identity.ts'
import type { Authenticate } from '../services/auth/token.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Hook that lets a request pass only with a valid token, and puts who it stands for into `request.identity`. */
    authenticate: preValidationHookHandler
    /** Makes a hook that lets a request pass only when its identity has the role. */
    authorize (role: string): preValidationHookHandler
  }
  interface FastifyRequest {
    /** Who the request's token stands for; null before `authenticate`. */
    identity: Identity | null
  }
}

/** `fastify.authenticate`, `fastify.authorize` and `request.identity`. */
export const auth = fp<{ authenticate: Authenticate<FastifyRequest> }>(async (fastify, options) => {
  // An application may have a `request.identity` of its own; on the hub's routes it is the hub's.
  if (!fastify.hasRequestDecorator('identity')) fastify.decorateRequest('identity', null)

  // Not async: most checks answer at once, and are then done before the next request is read.
  fastify.decorate('authenticate', (request, _reply, done) => {
    const token = findToken(request.headers, request.query)
    let answer: ReturnType<typeof options.authenticate>
    try {
      answer = options.authenticate(token, request)
    } catch (error) {
      return done(toError(error))
    }
    if (isPending(answer)) {
      Promise.resolve(answer).then((identity) => accept(request, token, identity)).then(() => done(), (error: unknown) => done(toError(error)))
      return
    }
    accept(request, token, answer)
    done()
  })

  fastify.decorate('authorize', (role) => (request, _reply, done) => {
    if (request.identity?.roles.includes(role) === true) return done()
    throw new HubError('HUB_FORBIDDEN', `This needs a token with the role "${role}".`)
  })
}, { name: 'fastify-hub-auth', fastify: '5.x' })

/** Puts an identity into its request. Throws for what is none. */
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

function isPending (answer: Identity | null | Promise<Identity | null>): answer is Promise<Identity | null> {
  return typeof answer === 'object' && answer !== null && 'then' in answer
}

/** What was thrown, as an error: Fastify would take a falsy one for none, and let the request pass. */
function toError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('authenticate() threw something that is no Error.', { cause: thrown })
}
