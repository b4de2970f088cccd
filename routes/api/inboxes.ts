import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { InboxInfo, MessageStatus } from '../../services/model/info.ts'
import { IdParams, OffsetParams, Purged } from './schemas.ts'

/** What waits for a user, and what became of a message. */
export const inboxRoutes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { hub } = fastify

  fastify.get('/users/:id/inbox', { schema: { params: IdParams, response: { 200: InboxInfo } } }, ({ params }) => hub.inbox(params.id))

  fastify.delete('/users/:id/inbox', { schema: { params: IdParams, response: { 200: Purged } } }, async ({ params }) => ({ purged: await hub.purgeInbox(params.id) }))

  fastify.get('/messages/:offset', { schema: { params: OffsetParams, response: { 200: MessageStatus } } }, ({ params }) => hub.messageStatus(params.offset))
}
