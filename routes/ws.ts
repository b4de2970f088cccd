import type { FastifyPluginAsync, FastifyRequest, preValidationHookHandler } from 'fastify'
import { deviceIn, resumeClaimIn, type ResumeClaim } from '../services/connecting.ts'
import { offeredSubprotocols } from '../services/credentials.ts'
import { HubError } from '../services/errors.ts'
import { chooseSubprotocol } from '../services/handshake.ts'
import type { UserId } from '../services/message.ts'
import type { GreetingCode } from '../services/protocol/raw.ts'
import { createProtocols } from '../services/protocols.ts'
import type { ClientMessageHandler } from '../services/ws-service.ts'
import { openDoor, type Beginning, type DoorOptions } from './ws-door.ts'

/** What a door for older clients does differently at this address. */
export interface WsRouteOptions extends DoorOptions {
  readonly greetingCode?: GreetingCode
  readonly onMessage?: ClientMessageHandler
}

/** GET /admin/ws: clients of every subprotocol. */
export const wsRoute: FastifyPluginAsync<WsRouteOptions> = async (fastify, { greetingCode, onMessage, ...options }) => {
  const { hub } = fastify
  const { path, compression } = options.config

  // A client that resumes with a token that has expired would go on to try with it; told to start over, it gets a new one.
  const identify: preValidationHookHandler = function (request, reply, done) {
    const pass = (error?: Error): void => {
      const isTold = error instanceof HubError && error.code === 'HUB_TOKEN_EXPIRED' && wantsToResume(request)
      done(isTold ? undefined : error)
    }
    fastify.authenticate.call(this, request, reply, pass)
  }
  const findBeginning = async (request: FastifyRequest): Promise<Beginning> => {
    const { identity, query } = request
    if (identity === null) return 'refused'
    const claim = claimOf(request, identity.user)
    if (claim === null) return { device: deviceIn(query) }
    const session = await hub.sessions.find(claim)
    return session === null ? 'refused' : { resumed: { claim, session } }
  }

  openDoor(fastify, options, {
    path,
    protocolFor: createProtocols({ thresholdBytes: compression.threshold, level: compression.level }, greetingCode),
    identify,
    findBeginning,
    wantsToResume,
    ...(onMessage === undefined ? {} : { onMessage })
  })
}

/** Whether a client wants to go on where a connection was. */
function wantsToResume (request: FastifyRequest): boolean {
  return claimOf(request, '') !== null
}

function claimOf ({ headers, query }: FastifyRequest, user: UserId): ResumeClaim | null {
  return resumeClaimIn(query, user, chooseSubprotocol(offeredSubprotocols(headers)) || '')
}
