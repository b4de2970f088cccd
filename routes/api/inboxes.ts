import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { InboxInfo, MessageStatus } from '../../services/model/info.ts'
import { hubOf } from '../hub-of.ts'
import { ERROR_RESPONSES, IdParams, OffsetParams, Purged } from './schemas.ts'

/**
 * GET and DELETE /users/:id/inbox, GET /messages/:offset: read and purge the inbox of a user, read the status of a
 * message.
 */
export const inboxRoutes: FastifyPluginAsyncTypebox = async function inboxRoutes (fastify) {
  const hub = hubOf(fastify)
  const read = { schema: { params: IdParams, response: { 200: InboxInfo, ...ERROR_RESPONSES } } }
  const purge = { schema: { params: IdParams, response: { 200: Purged, ...ERROR_RESPONSES } } }
  const messageStatus = { schema: { params: OffsetParams, response: { 200: MessageStatus, ...ERROR_RESPONSES } } }

  fastify.get('/users/:id/inbox', read, ({ params }) => hub.inbox(params.id))

  fastify.delete('/users/:id/inbox', purge, async ({ params }) => ({ purged: await hub.purgeInbox(params.id) }))

  fastify.get('/messages/:offset', messageStatus, ({ params }) => hub.messageStatus(params.offset))
}
