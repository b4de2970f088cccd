import type { FastifyInstance, FastifyReply, onRequestHookHandler } from 'fastify'
import { badRequest, isHandshakeFault, type GoAnswer } from '../../services/compat/go-answer.ts'
import { HubError } from '../../services/errors.ts'
import { ADMIN_ROLE } from '../../services/identity.ts'
import type { DoorOptions } from '../ws-door.ts'

/** How a door for clients of an older service is set up. */
export interface GoDoorOptions extends DoorOptions {
  /** Whether it lets everybody do everything, as the service did. */
  readonly isOpen: boolean
}

/** Sends what the older service would have sent. */
export function sendGoAnswer (reply: FastifyReply, { status, headers, body }: GoAnswer): void {
  reply.code(status).headers(headers)
  // Fastify would give an empty text a type.
  if (body === '') reply.send()
  else reply.send(body)
}

/** Answers what is no WebSocket handshake as gorilla/websocket did, with what the service wrote after it. Everything else is refused as the hub refuses it. */
export function refuseLikeGorilla (fastify: FastifyInstance, tail?: string): void {
  fastify.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof HubError) || !isHandshakeFault(error.code)) throw error
    sendGoAnswer(reply, badRequest(tail))
  })
}

/** Who may use the HTTP routes of a door: where it is not open, those who may use the REST API. */
export function operators (fastify: FastifyInstance, isOpen: boolean): onRequestHookHandler[] {
  return isOpen ? [] : [fastify.authenticate, fastify.authorize(ADMIN_ROLE)]
}
