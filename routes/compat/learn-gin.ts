import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { queryValues } from '../../services/auth/credentials.ts'
import {
  actionOf, COMMANDS, encodeCommandReply, learnGin, parseCommand, PODS
} from '../../services/compat/learn-gin.ts'
import { messageFromJson } from '../../services/model/json.ts'
import { bodyText, envelopeBytes } from '../../services/transport/http/request-body.ts'
import type { ConnectedClient } from '../../services/model/client.ts'
import { addWebSocketEndpoint } from '../live/ws-endpoint.ts'
import { createBodyHook, deferBodies } from '../bodies.ts'
import { hubOf } from '../hub-of.ts'
import { requireOperator, refuseLikeGorilla, type CompatEndpointOptions } from './endpoint.ts'

/** GET /echo: clients of the course learn-gin. Any method on /sendall: broadcasts a message. */
export const learnGinEndpoint: FastifyPluginAsync<CompatEndpointOptions> = async function learnGinEndpoint (
  fastify,
  options
) {
  const hub = hubOf(fastify)
  const { node } = options
  refuseLikeGorilla(fastify)

  const executeAndReply = async (client: ConnectedClient, action: string, data: unknown): Promise<void> => {
    const result = await node.actions.call(action, data, client)
    // The hub has logged an error, and the course does not reply to one.
    if (result.ok && result.data !== undefined) client.reply(encodeCommandReply(result.data))
  }

  addWebSocketEndpoint(fastify, options, {
    path: '/echo',
    protocolFor: () => learnGin,
    takesAnySubprotocol: true,
    onMessage: (client, message) => {
      const command = parseCommand(message.toString())
      if (command !== null && node.actions.has(command.action)) {
        return executeAndReply(client, command.action, command.data)
      }
      // The course printed the message. The application may handle it.
      return node.messageHandler?.(client, message)
    }
  })

  for (const [type, reply] of COMMANDS) node.actions.addDefault(actionOf(type), () => reply)

  // /sendall takes a message from a JSON body, and ignores a body of any other type.
  deferBodies(fastify)
  const readBody = createBodyHook((headers, body) => {
    const isJson = /^application\/json\b/i.test(headers['content-type'] ?? '')
    return isJson && body.length > 0 ? messageFromJson(bodyText(headers, body)) : undefined
  })
  const { onRequest, preValidation } = requireOperator(fastify, options)
  fastify.route({
    method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    url: '/sendall',
    bodyLimit: envelopeBytes(options.config.maxMessageSize),
    onRequest,
    preValidation: [...preValidation, readBody],
    handler: async (request, reply) => {
      await hub.broadcast(messageFrom(request))
      return reply.header('content-type', 'text/plain; charset=utf-8').send('OK')
    }
  })
}

/** The message of a request to /sendall: `?msg=` (lesson 2), else a JSON body, else the sample pods (lesson 4). */
function messageFrom ({ query, body }: FastifyRequest): unknown {
  return queryValues(query, 'msg')[0] ?? body ?? PODS
}
