import type { FastifyPluginAsync } from 'fastify'
import {
  actionNames, AFTER_BAD_REQUEST, encodeEnvelope, ginServer, parseRequest, refused, toEnvelope, type GinServerRequest
} from '../../services/compat/gin-server.ts'
import type { ConnectedClient } from '../../services/model/client.ts'
import { CLOSE } from '../../services/model/close-codes.ts'
import { ADMIN_ROLE } from '../../services/model/identity.ts'
import { addWebSocketEndpoint } from '../live/ws-endpoint.ts'
import { hubOf } from '../hub-of.ts'
import { refuseLikeGorilla, type CompatEndpointOptions } from './endpoint.ts'

/** Role of a client whose replies may go to other clients, too. */
const BROADCAST_ROLE = 'ginServer.broadcast'

/**
 * GET /ws: clients of ginServer. A client calls actions of the hub, and may name other clients that get the reply, too.
 */
export const ginServerEndpoint: FastifyPluginAsync<CompatEndpointOptions> = async function ginServerEndpoint (
  fastify,
  { isOpen, ...options }
) {
  const hub = hubOf(fastify)
  const { node } = options
  refuseLikeGorilla(fastify, AFTER_BAD_REQUEST)

  const mayReachOthers = ({ identity: { roles } }: ConnectedClient): boolean =>
    isOpen || roles.includes(BROADCAST_ROLE) || roles.includes(ADMIN_ROLE)

  const executeAndReply = async (client: ConnectedClient, action: string, request: GinServerRequest): Promise<void> => {
    const { actioncode, data, isBroadcast, isExact } = request
    const others = request.clientIds.filter((id) => id !== client.id)
    const isForOthers = isBroadcast || others.length > 0
    if (!isExact) return client.reply(encodeEnvelope(refused(actioncode, 'HUB_REQUEST_INVALID')))
    if (isForOthers && !mayReachOthers(client)) return client.reply(encodeEnvelope(refused(actioncode, 'HUB_FORBIDDEN')))

    const result = await node.actions.call(action, data, client)
    const text = encodeEnvelope(toEnvelope(actioncode, result))
    client.reply(text)
    // An error goes to the caller alone.
    if (!isForOthers || !result.ok) return
    const addresses = isBroadcast ? [{ all: true } as const] : others.map((id) => ({ client: id }))
    // A reply is of no use to later readers, so the log does not keep it.
    await hub.send(addresses, text, { keep: false, except: [client.id] })
  }

  addWebSocketEndpoint(fastify, options, {
    path: '/ws',
    protocolFor: () => ginServer,
    takesFirstSubprotocol: true,
    onMessage: (client, message) => {
      const request = parseRequest(message.toString())
      if (request === null) return client.close(CLOSE.badMessage)
      const action = actionNames(request.actioncode).find((name) => node.actions.has(name))
      // ginServer did not reply to an unknown action code. The application may handle the message.
      return action === undefined ? node.messageHandler?.(client, message) : executeAndReply(client, action, request)
    }
  })
}
