import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../../services/config/schema.ts'
import type { Admission, HubNode, StartRequest } from '../../services/hub/node.ts'
import { systemClock } from '../../services/lib/clock.ts'
import { RateLimit } from '../../services/lib/rate-limit.ts'
import { HubError } from '../../services/model/errors.ts'

/** The rates of endpoints that require the same: a valid token, or nothing at all. */
export interface ConnectRates {
  /** Rate limit of new connections. */
  readonly connectRate: RateLimit
  /** Rate limit of refusals as a close code, for which the upgrade is completed. */
  readonly refusalRate: RateLimit
}

/** Creates rates for connections, of so many per second. */
export function createConnectRates (perSecond: number): ConnectRates {
  return { connectRate: new RateLimit(perSecond), refusalRate: new RateLimit(perSecond) }
}

/** Options that all endpoints share. */
export interface EndpointOptions extends ConnectRates {
  readonly config: Config['websocket']
  readonly node: HubNode
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
 * Creates the hook that admits a client, once the token has been checked: requests without a valid token take nothing
 * from the rate of new connections. The hook takes a callback and no promise: no other request runs between the check
 * of the limits and the handler, which opens the client.
 *
 * @param startOf - the part of the log that the request asks for. Throws HubError for an invalid request.
 */
export function createAdmissionHook (
  { node, connectRate }: EndpointOptions,
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
    if (!connectRate.allow(systemClock.steady())) {
      const sentence = 'Too many connections are being opened at once; try again in a second.'
      return done(new HubError('HUB_TOO_MANY_UPGRADES', sentence, { retryAfter: 1 }))
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
