import type { FastifyPluginAsync } from 'fastify'
import { actionNames, AFTER_BAD_REQUEST, encodeEnvelope, forbidden, ginServer, parseRequest, toEnvelope, type GinServerRequest } from '../../services/compat/gin-server.ts'
import { CLOSE } from '../../services/model/close-codes.ts'
import { ADMIN_ROLE } from '../../services/model/identity.ts'
import type { Client } from '../../services/transport/ws-service.ts'
import { addWebSocketEndpoint } from '../live/ws-endpoint.ts'
import { refuseLikeGorilla, type CompatEndpointOptions } from './endpoint.ts'

/** The role of those who may have their answers sent to others. */
const BROADCAST_ROLE = 'ginServer.broadcast'

/** GET /ws: clients of ginServer, which call the hub's actions and may have the answers sent to others. */
export const ginServerEndpoint: FastifyPluginAsync<CompatEndpointOptions> = async (fastify, { isOpen, ...options }) => {
  const { hub } = fastify
  refuseLikeGorilla(fastify, AFTER_BAD_REQUEST)

  const mayReachOthers = ({ identity: { roles } }: Client): boolean => isOpen || roles.includes(BROADCAST_ROLE) || roles.includes(ADMIN_ROLE)

  const answer = async (client: Client, name: string, { actioncode, data, isBroadcast, clientIds }: GinServerRequest): Promise<void> => {
    const others = clientIds.filter((id) => id !== client.id)
    const isForOthers = isBroadcast || others.length > 0
    if (isForOthers && !mayReachOthers(client)) return client.reply(encodeEnvelope(forbidden(actioncode)))

    const result = await hub.actions.call(name, data, client)
    const text = encodeEnvelope(toEnvelope(actioncode, result))
    client.reply(text)
    // What went wrong concerns the caller alone.
    if (!isForOthers || !result.ok) return
    const addresses = isBroadcast ? [{ all: true } as const] : others.map((id) => ({ client: id }))
    // An answer is nothing that anybody would read later.
    await hub.send(addresses, text, { keep: false, except: [client.id] })
  }

  addWebSocketEndpoint(fastify, options, {
    path: '/ws',
    protocolFor: () => ginServer,
    takesFirstSubprotocol: true,
    onMessage: (client, message) => {
      const request = parseRequest(message.toString())
      if (request === null) return client.close(CLOSE.badMessage)
      const name = actionNames(request.actioncode).find((one) => hub.actions.has(one))
      // The older service had no answer to what it did not know.
      return name === undefined ? hub.messageHandler?.(client, message) : answer(client, name, request)
    }
  })
}
