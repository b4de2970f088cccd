import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { parseMessage, pushMessage } from '../../services/compat/push-message.ts'
import { HubError } from '../../services/model/errors.ts'
import type { Identity } from '../../services/model/identity.ts'
import { Id, MAX_ID_LENGTH, type Address, type UserId } from '../../services/model/message.ts'
import { addWebSocketEndpoint } from '../live/ws-endpoint.ts'
import { requireOperator, redirectWithoutSlash, refuseLikeGorilla, type CompatEndpointOptions } from './endpoint.ts'

const ids = TypeCompiler.Compile(Id)

/** Whose mailbox a request is about: `/client/:id`, or `?userId=` in the blog's copy. Throws HUB_REQUEST_INVALID. */
function mailboxIn ({ params, query }: Pick<FastifyRequest, 'params' | 'query'>): UserId {
  const { id = (query as { userId?: unknown }).userId } = params as { id?: unknown }
  if (ids.Check(id)) return id
  throw new HubError('HUB_REQUEST_INVALID', `Name a client with 1 to ${MAX_ID_LENGTH} characters: /client/alice, or ?userId=alice.`)
}

/** Where the door is open: whoever a request names. */
export function identityFromRequest (_token: string | null, request: FastifyRequest): Identity {
  return { user: mailboxIn(request), roles: [] }
}

/** Clients of pushMessage and of the blog's copy of it: each id has a mailbox from its first connection until it is deleted. */
export const pushMessageEndpoint: FastifyPluginAsync<CompatEndpointOptions> = async (fastify, options) => {
  const { hub } = fastify
  const onRequest = requireOperator(fastify, options)
  refuseLikeGorilla(fastify)

  // Any Content-Type, or none.
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))

  for (const path of ['/client/:id', '/getPushNews']) {
    addWebSocketEndpoint(fastify, options, {
      path,
      protocolFor: () => pushMessage,
      onMessage: (client, message) => hub.messageHandler?.(client, message),
      // Before the upgrade: what is said as soon as the client is there must find its mailbox.
      resolveStart: async (request) => {
        const user = mailboxIn(request)
        if (request.identity?.user !== user) throw new HubError('HUB_FORBIDDEN', 'The token is that of another user.')
        // Whoever is refused shall not have made a mailbox.
        hub.admit(user)
        return hub.mailboxes.open(user)
      }
    })
  }

  const disconnect = async (user: UserId): Promise<boolean> => {
    await hub.mailboxes.remove(user)
    const { clients } = await hub.clients({ user, limit: 1000 })
    const readers = clients.filter(({ protocol }) => protocol === pushMessage.name)
    const ended = await Promise.all(readers.map(({ id }) => hub.disconnect({ client: id })))
    return ended.some((count) => count > 0)
  }

  fastify.delete('/client/:id', { onRequest }, async (request, reply) => {
    const user = mailboxIn(request)
    return await disconnect(user) ? reply.send() : reply.code(404).send({ message: `client ${user} is not found!` })
  })

  // The blog's table had lost a slash, and its clients may have as well.
  for (const path of ['/deleteClient/:id', '/deleteClient:id']) {
    fastify.delete(path, { onRequest }, async (request, reply) => await disconnect(mailboxIn(request)) ? reply.send() : reply.send({ mesg: '未找到该客户端' }))
  }

  const hasMailbox: onRequestAsyncHookHandler = async (request, reply) => {
    const user = mailboxIn(request)
    if (!await hub.mailboxes.has(user)) return reply.code(404).send({ message: `not exist this client ${user}` })
  }
  const say = async (address: Address, body: unknown, reply: FastifyReply): Promise<FastifyReply> => {
    const message = parseMessage(body)
    if (message === undefined) return reply.code(400).send({ message: 'message set failed' })
    const { matched, stored } = await hub.send(address, message)
    if (matched === 0 && !stored) throw new HubError('HUB_STORE_FAILED', 'Nobody is there, and the message cannot be stored for later; say it again when there is room.', { retryAfter: 5 })
    return reply.send({ message: 'send success' })
  }
  const bodyLimit = options.config.maxMessageSize

  fastify.post('/message', { onRequest, bodyLimit }, ({ body }, reply) => say({ all: true }, body, reply))

  redirectWithoutSlash(fastify, 'POST', '/message', 307)

  fastify.post('/message/:id', { onRequest: [...onRequest, hasMailbox], bodyLimit }, (request, reply) => say({ user: mailboxIn(request) }, request.body, reply))
}
