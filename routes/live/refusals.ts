import type { FastifyRequest } from 'fastify'
import { CLOSE, closeReasonOfRefusal, type CloseReason } from '../../services/model/close-codes.ts'
import { HubError, type ErrorCode } from '../../services/model/errors.ts'
import { SUBPROTOCOLS } from '../../services/protocol/subprotocols.ts'
import { offersSubprotocol } from '../../services/transport/handshake.ts'

/** Key on a request for its refusal. */
const kRefusal = Symbol('fastify-hub.refusal')

/** A refusal by a close code: the code of the error, and the close code with its reason. */
export interface DeferredRefusal {
  readonly code: ErrorCode
  readonly closeReason: CloseReason
}

/** A deferred refusal with its error, for an HTTP response in place of the close code. */
export interface Refusal extends DeferredRefusal {
  readonly error: HubError
}

interface RefusedRequest extends FastifyRequest {
  [kRefusal]?: Refusal
}

/**
 * Defers a refusal to a close code. A browser hides the HTTP response to an upgrade, so a page cannot tell an expired
 * token or a full service from a lost network. For a client that offers a subprotocol of the hub and has a well-signed
 * token, the upgrade is therefore completed and the connection closed at once. A later refusal replaces an earlier one.
 *
 * @param error The caller has checked the token, or checks the token before the upgrade.
 * @param isResuming Whether the client names a session: it repeats that request until a code makes it start over.
 * @returns False when the refusal stays an HTTP response, with this error.
 */
export function deferRefusal (request: RefusedRequest, error: unknown, isResuming = false): boolean {
  if (!(error instanceof HubError) || !offersSubprotocol(request.headers, SUBPROTOCOLS)) return false
  const isExpired = error.code === 'HUB_TOKEN_EXPIRED'
  const closeReason = isExpired && isResuming ? CLOSE.expiredSession : closeReasonOfRefusal(error)
  if (closeReason === null) return false
  request[kRefusal] = { code: error.code, closeReason, error }
  return true
}

/** The deferred refusal of a request; undefined without one. */
export function refusalOf ({ [kRefusal]: refusal }: RefusedRequest): Refusal | undefined {
  return refusal
}
