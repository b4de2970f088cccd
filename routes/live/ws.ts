import type { FastifyPluginAsync, FastifyRequest, preValidationHookHandler } from 'fastify'
import { deviceFromQuery, resumeClaimFromQuery, wantsToResume } from '../../services/transport/connect-query.ts'
import { offeredSubprotocols } from '../../services/auth/credentials.ts'
import { HubError } from '../../services/model/errors.ts'
import { chooseSubprotocol } from '../../services/transport/handshake.ts'
import { createProtocols, SUBPROTOCOLS } from '../../services/protocol/subprotocols.ts'
import type { ClientMessageHandler } from '../../services/transport/ws-service.ts'
import { addWebSocketEndpoint, type ConnectionStart, type EndpointOptions } from './ws-endpoint.ts'

/** What a door for older clients does differently at this address. */
export interface WsRouteOptions extends EndpointOptions {
  /** Text of the first frame on a raw connection; by default that of the protocol. */
  readonly greeting?: string
  readonly onMessage?: ClientMessageHandler
}

/** GET /admin/ws: clients of every subprotocol. */
export const wsRoute: FastifyPluginAsync<WsRouteOptions> = async (fastify, { greeting, onMessage, ...options }) => {
  const { hub } = fastify
  const { path, compression } = options.config

  // A client that resumes with a token that has expired would go on to try with it; told to start over, it gets a new one.
  const identify: preValidationHookHandler = function (request, reply, done) {
    const pass = (error?: Error): void => {
      const isTold = error instanceof HubError && error.code === 'HUB_TOKEN_EXPIRED' && wantsToResume(request.query)
      done(isTold ? undefined : error)
    }
    options.authenticate.call(this, request, reply, pass)
  }
  const findBeginning = async ({ headers, identity, query }: FastifyRequest): Promise<ConnectionStart | undefined> => {
    if (identity === null) return 'refused'
    if (!wantsToResume(query)) {
      const device = deviceFromQuery(query)
      return device === '' ? undefined : { device }
    }
    const claim = resumeClaimFromQuery(query, identity.user, chooseSubprotocol(offeredSubprotocols(headers), SUBPROTOCOLS) || '')
    const session = await hub.sessions.find(claim)
    return session === null ? 'refused' : { resumed: { claim, session } }
  }

  addWebSocketEndpoint(fastify, options, {
    path,
    protocolFor: createProtocols({ thresholdBytes: compression.threshold, level: compression.level }, greeting),
    identify,
    resolveStart: findBeginning,
    wantsToResume: ({ query }) => wantsToResume(query),
    ...(onMessage === undefined ? {} : { onMessage })
  })
}
