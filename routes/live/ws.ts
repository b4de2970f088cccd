import type { FastifyPluginAsync, FastifyRequest, preValidationHookHandler } from 'fastify'
import { offeredSubprotocols } from '../../services/auth/credentials.ts'
import type { ClientMessageHandler, StartRequest } from '../../services/hub/node.ts'
import { HubError } from '../../services/model/errors.ts'
import { createProtocols, SUBPROTOCOLS } from '../../services/protocol/subprotocols.ts'
import { deviceFromQuery, resumeClaimFromQuery, wantsToResume } from '../../services/transport/connect-query.ts'
import { chooseSubprotocol } from '../../services/transport/handshake.ts'
import { addWebSocketEndpoint, type WebSocketEndpointOptions } from './ws-endpoint.ts'

/** Options of the WebSocket route. */
export interface WsRouteOptions extends WebSocketEndpointOptions {
  /** Text of the first frame on a raw connection. Default: the greeting of the protocol. */
  readonly greeting?: string
  /** Handles a client message that is no command. Default: the handler of `hub.onMessage`, or an echo without one. */
  readonly onMessage?: ClientMessageHandler
}

/** GET /admin/ws: WebSocket clients of every subprotocol. */
export const wsRoute: FastifyPluginAsync<WsRouteOptions> = async function wsRoute (fastify, options) {
  const { greeting, onMessage, ...endpointOptions } = options
  const { authenticate, config: { path, compression } } = endpointOptions

  // A resuming client with an expired token repeats the same request after an HTTP error. The hook lets the client pass
  // without an identity, so that the admission refuses it with the close code for a new start, with a new token.
  const identify: preValidationHookHandler = function (request, reply, done) {
    authenticate.call(this, request, reply, (error?: Error) => {
      const isExpired = error instanceof HubError && error.code === 'HUB_TOKEN_EXPIRED'
      done(isExpired && wantsToResume(request.query) ? undefined : error)
    })
  }

  const startOf = ({ headers, identity, query }: FastifyRequest): StartRequest => {
    if (!wantsToResume(query)) return { device: deviceFromQuery(query) }
    const subprotocol = chooseSubprotocol(offeredSubprotocols(headers), SUBPROTOCOLS)
    return { claim: resumeClaimFromQuery(query, identity?.user ?? '', subprotocol || '') }
  }

  addWebSocketEndpoint(fastify, endpointOptions, {
    path,
    protocolFor: createProtocols({ thresholdBytes: compression.threshold, level: compression.level }, greeting),
    identify,
    startOf,
    wantsToResume: ({ query }) => wantsToResume(query),
    ...(onMessage === undefined ? {} : { onMessage })
  })
}
