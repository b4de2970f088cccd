import type { IncomingHttpHeaders } from 'node:http'
import type { Static } from '@sinclair/typebox'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { HubError } from '../../services/model/errors.ts'
import { sendOptionsOf } from './send-options.ts'
import { Receipt, type Address } from '../../services/model/message.ts'
import { IdParams, MessageBody } from './schemas.ts'

/** POST /users/:id/messages, /groups/:id/messages and /clients/:id/messages: says something to some of those who are connected. */
export const messageRoutes: FastifyPluginAsyncTypebox<{ bodyLimit: number }> = async (fastify, { bodyLimit }) => {
  const { hub } = fastify
  const options = { bodyLimit, schema: { params: IdParams, body: MessageBody, response: { 202: Receipt } } }
  const say = (address: Address, { body, headers }: { body: Static<typeof MessageBody>, headers: IncomingHttpHeaders }): Promise<Receipt> => {
    return hub.send(address, body.message, sendOptionsOf(body, headers))
  }

  fastify.post('/users/:id/messages', options, async (request, reply) => reply.code(202).send(await say({ user: request.params.id }, request)))

  fastify.post('/groups/:id/messages', options, async (request, reply) => reply.code(202).send(await say({ group: request.params.id }, request)))

  fastify.post('/clients/:id/messages', options, async (request, reply) => {
    const { id } = request.params
    const { total } = await hub.clients({ id, limit: 1 })
    if (total === 0) throw new HubError('HUB_CLIENT_NOT_FOUND', 'This client is not connected; address the user to reach whichever connection there is.')
    return reply.code(202).send(await say({ client: id }, request))
  })
}
