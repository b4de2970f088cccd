import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { HubError } from '../services/errors.ts'
import { sendOptionsOf } from '../services/idempotency-key.ts'
import { Receipt } from '../services/message.ts'
import { IdParams, MessageBody } from './schemas.ts'

/** POST /users/:id/messages and POST /clients/:id/messages: says something to one user or to one connection. */
export const messageRoutes: FastifyPluginAsyncTypebox<{ bodyLimit: number }> = async (fastify, { bodyLimit }) => {
  const options = { bodyLimit, schema: { params: IdParams, body: MessageBody, response: { 202: Receipt } } }

  fastify.post('/users/:id/messages', options, async (request, reply) => {
    return reply.code(202).send(await fastify.hub.send({ user: request.params.id }, request.body.message, sendOptionsOf(request.body, request.headers)))
  })

  fastify.post('/clients/:id/messages', options, async (request, reply) => {
    const { id } = request.params
    const { total } = await fastify.hub.clients({ id, limit: 1 })
    if (total === 0) throw new HubError('HUB_CLIENT_NOT_FOUND', 'This client is not connected; address the user to reach whichever connection there is.')
    return reply.code(202).send(await fastify.hub.send({ client: id }, request.body.message, sendOptionsOf(request.body, request.headers)))
  })
}
