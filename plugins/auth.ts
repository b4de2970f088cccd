import type { FastifyRequest, preValidationAsyncHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { findToken } from '../services/credentials.ts'
import { HubError } from '../services/errors.ts'
import { assertIdentity, type Identity } from '../services/identity.ts'
import type { Authenticate } from '../services/token.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Hook that lets a request pass only with a valid token, and puts who it stands for into `request.identity`. */
    authenticate: preValidationAsyncHookHandler
    /** Makes a hook that lets a request pass only when its identity has the role. */
    authorize (role: string): preValidationAsyncHookHandler
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

  fastify.decorate('authenticate', async (request) => {
    const token = findToken(request.headers, request.query)
    const identity = await options.authenticate(token, request)
    // Code in JavaScript says no in more ways than the type allows.
    if (identity) {
      assertIdentity(identity)
      request.identity = identity
      return
    }
    if (token === null) throw new HubError('HUB_TOKEN_MISSING', 'Send a token: "Authorization: Bearer …", "?token=…", or the subprotocol "bearer.…" beside "hub.raw".')
    throw new HubError('HUB_TOKEN_INVALID', 'The token is not valid here.')
  })

  fastify.decorate('authorize', (role) => async (request) => {
    if (request.identity?.roles.includes(role) === true) return
    throw new HubError('HUB_FORBIDDEN', `This needs a token with the role "${role}".`)
  })
}, { name: 'fastify-hub-auth', fastify: '5.x' })
