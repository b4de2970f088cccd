import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { offeredSubprotocols } from '../../services/auth/credentials.ts'
import type { ClientMessageHandler, StartRequest } from '../../services/hub/node.ts'
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
  /** See `WebSocketEndpoint`. */
  readonly takesAnySubprotocol?: boolean
}

/** GET /admin/ws: WebSocket clients of every subprotocol. */
export const wsRoute: FastifyPluginAsync<WsRouteOptions> = async function wsRoute (fastify, options) {
  const { greeting, onMessage, takesAnySubprotocol = false, ...endpointOptions } = options
  const { config: { path, compression } } = endpointOptions

  const startOf = ({ headers, identity, query }: FastifyRequest): StartRequest => {
    if (!wantsToResume(query)) return { device: deviceFromQuery(query) }
    const subprotocol = chooseSubprotocol(offeredSubprotocols(headers), SUBPROTOCOLS)
    return { claim: resumeClaimFromQuery(query, identity?.user ?? '', subprotocol || '') }
  }

  addWebSocketEndpoint(fastify, endpointOptions, {
    path,
    protocolFor: createProtocols({ thresholdBytes: compression.threshold, level: compression.level }, greeting),
    startOf,
    takesAnySubprotocol,
    wantsToResume: ({ query }) => wantsToResume(query),
    ...(onMessage === undefined ? {} : { onMessage })
  })
}
