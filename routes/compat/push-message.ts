import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, preValidationAsyncHookHandler } from 'fastify'
import { parseMessage, pushMessage } from '../../services/compat/push-message.ts'
import { everythingCursorOf } from '../../services/model/durable-cursor.ts'
import { HubError } from '../../services/model/errors.ts'
import type { Identity } from '../../services/model/identity.ts'
import { Id, MAX_ID_LENGTH, type Address, type UserId } from '../../services/model/message.ts'
import { bodyText, envelopeBytes } from '../../services/transport/http/request-body.ts'
import { logRefusal } from '../../services/transport/http/refusal-log.ts'
import { addWebSocketEndpoint } from '../live/ws-endpoint.ts'
import { createBodyHook, deferBodies } from '../bodies.ts'
import { hubOf } from '../hub-of.ts'
import { requireOperator, redirectWithoutSlash, refuseLikeGorilla, type CompatEndpointOptions } from './endpoint.ts'

const idCheck = TypeCompiler.Compile(Id)
const isUserId = (value: unknown): value is UserId => idCheck.Check(value)

/**
 * The user that a request names: `/client/:id`, or `?userId=` in the blog's copy of pushMessage.
 *
 * @throws {HubError} HUB_REQUEST_INVALID
 */
function userFromRequest ({ params, query }: Pick<FastifyRequest, 'params' | 'query'>): UserId {
  const { id = (query as { userId?: unknown }).userId } = params as { id?: unknown }
  if (isUserId(id)) return id
  throw new HubError(
    'HUB_REQUEST_INVALID',
    `Name a client with 1 to ${MAX_ID_LENGTH} characters: /client/alice, or ?userId=alice.`
  )
}

/** Token check of an endpoint in mode `open`: every request has the identity of the user that it names. */
export function identityFromRequest (_token: string | null, request: FastifyRequest): Identity {
  return { user: userFromRequest(request), roles: [] }
}

/** Sends an error of the older service, and logs it. */
function refuse (reply: FastifyReply, statusCode: 400 | 404, message: string): FastifyReply {
  const code = statusCode === 404 ? 'HUB_NOT_FOUND' : 'HUB_REQUEST_INVALID'
  logRefusal(reply.request, { code, statusCode, reason: message })
  return reply.code(statusCode).send({ message })
}

/**
 * Clients of pushMessage and of the blog's copy of it. Each user has a mailbox from the first connection until an
 * operator deletes the client: a durable cursor on the messages to all addresses.
 *
 * - GET /client/:id, GET /getPushNews?userId=: WebSocket endpoints.
 * - POST /message, POST /message/:id: send a message to every mailbox or to one.
 * - DELETE /client/:id, DELETE /deleteClient/:id: remove a mailbox and disconnect its clients.
 */
export const pushMessageEndpoint: FastifyPluginAsync<CompatEndpointOptions> = async function pushMessageEndpoint (
  fastify,
  options
) {
  const hub = hubOf(fastify)
  const { node } = options
  const { onRequest, preValidation } = requireOperator(fastify, options)
  const bodyLimit = envelopeBytes(options.config.maxMessageSize)
  refuseLikeGorilla(fastify)

  // The body of a message counts as JSON under any Content-Type, and without one.
  deferBodies(fastify)
  const readBody = createBodyHook(bodyText)

  for (const path of ['/client/:id', '/getPushNews']) {
    addWebSocketEndpoint(fastify, options, {
      path,
      protocolFor: () => pushMessage,
      takesAnySubprotocol: true,
      onMessage: (client, message) => node.messageHandler?.(client, message),
      // The admission creates the mailbox before the upgrade, so a message that follows the handshake response at once
      // finds the mailbox.
      startOf: (request) => {
        if (request.identity?.user === userFromRequest(request)) return { scope: 'everything' }
        throw new HubError('HUB_FORBIDDEN', 'The token is that of another user.')
      }
    })
  }

  /** Removes the mailbox of a user and disconnects its clients. Resolves to whether a client was connected. */
  const disconnect = async (user: UserId): Promise<boolean> => {
    await node.durableCursors.remove(everythingCursorOf(user))
    const { clients } = await hub.clients({ user, limit: 1000 })
    const readers = clients.filter(({ protocol }) => protocol === pushMessage.name)
    const counts = await Promise.all(readers.map(({ id }) => hub.disconnect({ client: id })))
    return counts.some((count) => count > 0)
  }

  fastify.delete('/client/:id', { onRequest, preValidation }, async (request, reply) => {
    const user = userFromRequest(request)
    if (await disconnect(user)) return reply.send()
    return refuse(reply, 404, `client ${user} is not found!`)
  })

  // The routes of the blog's copy lack the slash, and its clients can lack it, too.
  for (const path of ['/deleteClient/:id', '/deleteClient:id']) {
    fastify.delete(path, { onRequest, preValidation }, async (request, reply) => {
      return await disconnect(userFromRequest(request)) ? reply.send() : reply.send({ mesg: '未找到该客户端' })
    })
  }

  const send = async (address: Address, body: unknown, reply: FastifyReply): Promise<FastifyReply> => {
    const message = parseMessage(body)
    if (message === undefined) return refuse(reply, 400, 'message set failed')
    const { matched, stored } = await hub.send(address, message)
    if (matched === 0 && !stored) {
      const sentence = 'Nobody is there, and the message cannot be stored for later; say it again when there is room.'
      throw new HubError('HUB_STORE_FAILED', sentence, { retryAfter: 5 })
    }
    return reply.send({ message: 'send success' })
  }

  const post = { onRequest, preValidation: [...preValidation, readBody], bodyLimit }
  fastify.post('/message', post, ({ body }, reply) => send({ all: true }, body, reply))

  redirectWithoutSlash(fastify, 'POST', '/message', 307)

  const requireMailbox: preValidationAsyncHookHandler = async (request, reply) => {
    const user = userFromRequest(request)
    if (!await node.durableCursors.has(everythingCursorOf(user))) return refuse(reply, 404, `not exist this client ${user}`)
  }

  const postToMailbox = { ...post, preValidation: [...preValidation, requireMailbox, readBody] }
  fastify.post('/message/:id', postToMailbox, (request, reply) =>
    send({ user: userFromRequest(request) }, request.body, reply))
}
