import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { safeParse } from 'secure-json-parse'
import { actionOf, COMMANDS, encodeAnswer, learnGin, parseCommand, PODS } from '../../services/compat/learn-gin.ts'
import type { Client } from '../../services/transport/ws-service.ts'
import { addWebSocketEndpoint } from '../live/ws-endpoint.ts'
import { requireOperator, refuseLikeGorilla, type CompatEndpointOptions } from './endpoint.ts'

/** GET /echo: clients of the course learn-gin. Any method on /sendall says something to everyone. */
export const learnGinEndpoint: FastifyPluginAsync<CompatEndpointOptions> = async (fastify, options) => {
  const { hub } = fastify
  refuseLikeGorilla(fastify)

  addWebSocketEndpoint(fastify, options, {
    path: '/echo',
    protocolFor: () => learnGin,
    onMessage: (client, message) => {
      const command = parseCommand(message.toString())
      if (command !== null && hub.actions.has(command.action)) return obey(client, command.action, command.data)
      // The course printed it.
      return hub.messageHandler?.(client, message)
    }
  })

  const obey = async (client: Client, action: string, data: unknown): Promise<void> => {
    const result = await hub.actions.call(action, data, client)
    // What failed was logged, and not answered.
    if (result.ok && result.data !== undefined) client.reply(encodeAnswer(result.data))
  }

  for (const [type, answer] of COMMANDS) hub.actions.addDefault(actionOf(type), () => answer)

  // Only JSON says something, whatever else comes.
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string' }, ({ headers }, body, done) => {
    done(null, /^application\/json\b/i.test(headers['content-type'] ?? '') ? safeParse(body) : undefined)
  })
  fastify.route({
    method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    url: '/sendall',
    onRequest: requireOperator(fastify, options),
    handler: async (request, reply) => {
      await hub.broadcast(whatToSay(request))
      return reply.header('content-type', 'text/plain; charset=utf-8').send('OK')
    }
  })
}

/** The `msg` of lesson 2, a JSON body, or the pods of lesson 4. */
function whatToSay ({ query, body }: FastifyRequest): unknown {
  const { msg } = query as { msg?: unknown }
  if (Array.isArray(msg)) return String(msg[0])
  return typeof msg === 'string' ? msg : body ?? PODS
}
