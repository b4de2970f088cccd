import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../../services/config/schema.ts'
import type { Admission, HubNode, StartRequest } from '../../services/hub/node.ts'
import { systemClock } from '../../services/lib/clock.ts'
import type { RateLimit } from '../../services/lib/rate-limit.ts'
import { HubError } from '../../services/model/errors.ts'

/** Options that all endpoints share. */
export interface EndpointOptions {
  readonly config: Config['websocket']
  readonly node: HubNode
  /** Rate limit of new connections, shared by all endpoints. */
  readonly connectRate: RateLimit
  /** Rate limit of refusals for lack of capacity whose token is checked, shared by all endpoints. */
  readonly refusalRate: RateLimit
  /** Hook that checks the token of a client and sets `request.identity`. */
  readonly authenticate: CallbackHook
}

/** A hook that takes a callback and no promise. */
export type CallbackHook = (
  this: FastifyInstance, request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void
) => void

/** Key on a request for the result of its admission. */
const kAdmission = Symbol('fastify-hub.admission')

type Admitted = Exclude<Admission, { readonly error: unknown }>

interface AdmittedRequest extends FastifyRequest {
  [kAdmission]?: Admitted
}

/**
 * Refuses a connection that exceeds the limits, before the token check.
 *
 * @param isReplacing - whether the client states that it replaces a connection of its own, which `maxClients` does not
 * limit. The admission after the token check checks the statement.
 * @throws {HubError} HUB_DRAINING, HUB_FULL, HUB_TOO_MANY_UPGRADES.
 */
export function assertMayConnect ({ node, connectRate }: EndpointOptions, isReplacing = false): void {
  node.assertCapacity(isReplacing)
  if (connectRate.allow(systemClock.steady())) return
  const sentence = 'Too many connections are being opened at once; try again in a second.'
  throw new HubError('HUB_TOO_MANY_UPGRADES', sentence, { retryAfter: 1 })
}

/**
 * Creates the hook that admits a client, once the token has been checked. The hook takes a callback and no promise: no
 * other request runs between the check of the limits and the handler, which opens the client.
 *
 * @param startOf - the part of the log that the request asks for. Throws HubError for an invalid request.
 */
export function createAdmissionHook (
  node: HubNode,
  startOf: (request: FastifyRequest) => StartRequest
): CallbackHook {
  return (request: AdmittedRequest, _reply, done) => {
    if (request.identity === null) return done(new Error('The token check has not run for this request.'))
    let start: StartRequest
    try {
      start = startOf(request)
    } catch (error) {
      return done(error as Error)
    }
    node.admit(request.identity, start, (admission) => {
      if ('error' in admission) return done(admission.error as Error)
      request[kAdmission] = admission
      done()
    })
  }
}

/**
 * Returns the result of the admission hook.
 *
 * @throws {Error} for a request that the hook did not admit.
 */
export function admissionOf ({ [kAdmission]: admission }: AdmittedRequest): Admitted {
  if (admission === undefined) throw new Error('The hook of createAdmissionHook has not run for this request.')
  return admission
}
