import type { IncomingHttpHeaders } from 'node:http'
import type { Static } from '@sinclair/typebox'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { HubError } from '../../services/model/errors.ts'
import { Receipt, type Address, type SendOptions } from '../../services/model/message.ts'
import { envelopeBytes } from '../../services/transport/http/request-body.ts'
import { hubOf } from '../hub-of.ts'
import { ERROR_RESPONSES, IdParams, MessageBody } from './schemas.ts'

interface MessageRoutesOptions {
  /** Largest message in bytes. */
  readonly maxMessageBytes: number
}

/** Bytes of the options of a publish at most: 1000 ids and two keys, each with 256 characters escaped as `\uXXXX`. */
const OPTIONS_BYTES = 1002 * (256 * 6 + 3)

/** Maximum length of an idempotency key, in characters. */
const MAX_KEY_LENGTH = 256

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
  { maxMessageBytes }
) {
  const hub = hubOf(fastify)
  const bodyLimit = envelopeBytes(maxMessageBytes) + OPTIONS_BYTES
  const response = { 202: Receipt, ...ERROR_RESPONSES }
  const toEveryone = { bodyLimit, schema: { body: MessageBody, response } }
  const toId = { bodyLimit, schema: { params: IdParams, body: MessageBody, response } }

  const publish = (address: Address, request: PublishRequest): Promise<Receipt> => {
    return hub.send(address, request.body.message, sendOptionsOf(request))
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

/**
 * Returns the send options of a request that publishes. The idempotency key is the field `key` of the body, or the
 * header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) as plain text or as a quoted string.
 *
 * @throws {HubError} HUB_REQUEST_INVALID when header and body have different keys, or the header has no valid key.
 */
function sendOptionsOf ({ body: { message: _message, ...options }, headers }: PublishRequest): SendOptions {
  const header = headers['idempotency-key']
  if (header === undefined) return options
  const text = typeof header === 'string' ? header.trim() : ''
  const key = text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
  if (key === '' || key.length > MAX_KEY_LENGTH) {
    throw new HubError('HUB_REQUEST_INVALID', `The header Idempotency-Key must have 1 to ${MAX_KEY_LENGTH} characters.`)
  }
  if (options.key !== undefined && options.key !== key) {
    throw new HubError('HUB_REQUEST_INVALID', 'The header Idempotency-Key and the key of the body differ; send one of them.')
  }
  return { ...options, key }
}
