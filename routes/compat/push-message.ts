import type { FastifyPluginAsync, FastifyReply, onRequestAsyncHookHandler } from 'fastify'
import { mailboxIn, parseMessage, pushMessage } from '../../services/compat/push-message.ts'
import { HubError } from '../../services/errors.ts'
import type { Address, UserId } from '../../services/message.ts'
import { openDoor } from '../ws-door.ts'
import { operators, refuseLikeGorilla, type GoDoorOptions } from './go-door.ts'

/** Clients of pushMessage and of the blog's copy of it: each id has a mailbox from its first connection until it is deleted. */
export const pushMessageDoor: FastifyPluginAsync<GoDoorOptions> = async (fastify, { isOpen, ...options }) => {
  const { hub } = fastify
  const onRequest = operators(fastify, isOpen)
  refuseLikeGorilla(fastify)

  // Any Content-Type, or none.
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))

  for (const path of ['/client/:id', '/getPushNews']) {
    openDoor(fastify, options, {
      path,
      protocolFor: () => pushMessage,
      onMessage: (client, message) => hub.messageHandler?.(client, message),
      // Before the upgrade: what is said as soon as the client is there must find its mailbox.
      locate: async ({ identity, params, query }) => {
        const user = mailboxIn(params, query)
        if (identity?.user !== user) throw new HubError('HUB_FORBIDDEN', 'The token is that of another user.')
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

  fastify.delete('/client/:id', { onRequest }, async ({ params, query }, reply) => {
    const user = mailboxIn(params, query)
    return await disconnect(user) ? reply.send() : reply.code(404).send({ message: `client ${user} is not found!` })
  })

  // The blog's table had lost a slash, and its clients may have as well.
  for (const path of ['/deleteClient/:id', '/deleteClient:id']) {
    fastify.delete(path, { onRequest }, async ({ params, query }, reply) => await disconnect(mailboxIn(params, query)) ? reply.send() : reply.send({ mesg: '未找到该客户端' }))
  }

  const hasMailbox: onRequestAsyncHookHandler = async ({ params, query }, reply) => {
    const user = mailboxIn(params, query)
    if (!await hub.mailboxes.has(user)) return reply.code(404).send({ message: `not exist this client ${user}` })
  }
  const say = async (address: Address, body: unknown, reply: FastifyReply): Promise<FastifyReply> => {
    const message = parseMessage(body)
    if (message === undefined) return reply.code(400).send({ message: 'message set failed' })
    await hub.send(address, message)
    return reply.send({ message: 'send success' })
  }
  const bodyLimit = options.config.maxMessageSize

  fastify.post('/message', { onRequest, bodyLimit }, ({ body }, reply) => say({ all: true }, body, reply))

  fastify.post('/message/', (_request, reply) => reply.redirect('/message', 307))

  fastify.post('/message/:id', { onRequest: [...onRequest, hasMailbox], bodyLimit }, ({ body, params, query }, reply) => say({ user: mailboxIn(params, query) }, body, reply))
}
