import type { FastifyPluginAsync, FastifyRequest, preValidationHookHandler } from 'fastify'
import { offeredSubprotocols } from '../../services/auth/credentials.ts'
import { HubError } from '../../services/model/errors.ts'
import { createProtocols, SUBPROTOCOLS } from '../../services/protocol/subprotocols.ts'
import { deviceFromQuery, resumeClaimFromQuery, wantsToResume } from '../../services/transport/connect-query.ts'
import { chooseSubprotocol } from '../../services/transport/handshake.ts'
import type { ClientMessageHandler } from '../../services/transport/ws-service.ts'
import { decoratorOf } from '../decorators.ts'
import type { EndpointOptions } from './endpoint.ts'
import { addWebSocketEndpoint, type ConnectionStart } from './ws-endpoint.ts'

/** Options of the WebSocket route. */
export interface WsRouteOptions extends EndpointOptions {
  /** Text of the first frame on a raw connection. Default: the greeting of the protocol. */
  readonly greeting?: string
  /** Handles a client message that is no command. Default: the handler of `hub.onMessage`, or an echo without one. */
  readonly onMessage?: ClientMessageHandler
}

/** GET /admin/ws: WebSocket clients of every subprotocol. */
export const wsRoute: FastifyPluginAsync<WsRouteOptions> = async function wsRoute (fastify, options) {
  const { greeting, onMessage, ...endpointOptions } = options
  const { authenticate, config: { path, compression } } = endpointOptions
  const hub = decoratorOf(fastify, 'hub')

  // A resuming client with an expired token repeats the same request after an HTTP error. The hook lets the client pass
  // without an identity, so that `startPosition` refuses it with the close code for a new start, with a new token.
  const identify: preValidationHookHandler = function (request, reply, done) {
    authenticate.call(this, request, reply, (error?: Error) => {
      const isExpired = error instanceof HubError && error.code === 'HUB_TOKEN_EXPIRED'
      done(isExpired && wantsToResume(request.query) ? undefined : error)
    })
  }

  const startPosition = async ({ headers, identity, query }: FastifyRequest): Promise<ConnectionStart | undefined> => {
    if (identity === null) return 'refused'
    if (!wantsToResume(query)) {
      const device = deviceFromQuery(query)
      return device === '' ? undefined : { device }
    }
    const subprotocol = chooseSubprotocol(offeredSubprotocols(headers), SUBPROTOCOLS)
    const claim = resumeClaimFromQuery(query, identity.user, subprotocol || '')
    const session = await hub.sessions.find(claim)
    return session === null ? 'refused' : { resumed: { claim, session } }
  }

  addWebSocketEndpoint(fastify, endpointOptions, {
    path,
    protocolFor: createProtocols({ thresholdBytes: compression.threshold, level: compression.level }, greeting),
    identify,
    startPosition,
    wantsToResume: ({ query }) => wantsToResume(query),
    ...(onMessage === undefined ? {} : { onMessage })
  })
}
