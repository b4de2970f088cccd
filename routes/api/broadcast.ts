import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { sendOptionsOf } from './send-options.ts'
import { Receipt } from '../../services/model/message.ts'
import { MessageBody } from './schemas.ts'

/** POST /broadcast: says something to everyone. */
export const broadcastRoute: FastifyPluginAsyncTypebox<{ bodyLimit: number }> = async (fastify, { bodyLimit }) => {
  fastify.post('/broadcast', { bodyLimit, schema: { body: MessageBody, response: { 202: Receipt } } }, async (request, reply) => {
    return reply.code(202).send(await fastify.hub.broadcast(request.body.message, sendOptionsOf(request.body, request.headers)))
  })
}
