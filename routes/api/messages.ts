import type { IncomingHttpHeaders } from 'node:http'
import type { Static } from '@sinclair/typebox'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { HubError } from '../../services/model/errors.ts'
import { Receipt, type Address } from '../../services/model/message.ts'
import { hubOf } from '../hub-of.ts'
import { ERROR_RESPONSES, IdParams, MessageBody } from './schemas.ts'
import { sendOptionsOf } from './send-options.ts'

interface MessageRoutesOptions {
  /** Maximum size of a request body, in bytes. */
  readonly bodyLimit: number
}

interface PublishRequest {
  readonly body: Static<typeof MessageBody>
  readonly headers: IncomingHttpHeaders
}

/**
 * POST /broadcast, /users/:id/messages, /groups/:id/messages and /clients/:id/messages: publish a message to everyone,
 * a user, a group or a client. The response is 202 with the receipt.
 */
export const messageRoutes: FastifyPluginAsyncTypebox<MessageRoutesOptions> = async function messageRoutes (
  fastify,
  options
) {
  const hub = hubOf(fastify)
  const { bodyLimit } = options
  const response = { 202: Receipt, ...ERROR_RESPONSES }
  const toEveryone = { bodyLimit, schema: { body: MessageBody, response } }
  const toId = { bodyLimit, schema: { params: IdParams, body: MessageBody, response } }

  const publish = (address: Address, { body, headers }: PublishRequest): Promise<Receipt> => {
    return hub.send(address, body.message, sendOptionsOf(body, headers))
  }

  fastify.post('/broadcast', toEveryone, async (request, reply) => {
    return reply.code(202).send(await publish({ all: true }, request))
  })

  fastify.post('/users/:id/messages', toId, async (request, reply) => {
    return reply.code(202).send(await publish({ user: request.params.id }, request))
  })

  fastify.post('/groups/:id/messages', toId, async (request, reply) => {
    return reply.code(202).send(await publish({ group: request.params.id }, request))
  })

  fastify.post('/clients/:id/messages', toId, async (request, reply) => {
    const { id } = request.params
    const { total } = await hub.clients({ id, limit: 1 })
    if (total === 0) {
      throw new HubError('HUB_CLIENT_NOT_FOUND', 'This client is not connected; address the user to reach whichever connection there is.')
    }
    return reply.code(202).send(await publish({ client: id }, request))
  })
}
