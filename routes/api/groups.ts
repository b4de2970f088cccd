import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ClientPage, GroupPage } from '../../services/model/info.ts'
import { GroupClientParams, GroupPageQuery, IdParams, Membership, PageQuery, UserGroupParams } from './schemas.ts'

/** Groups: who is in which. */
export const groupRoutes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { hub } = fastify

  fastify.get('/groups', { schema: { querystring: GroupPageQuery, response: { 200: GroupPage } } }, ({ query: { after, limit } }) => hub.groups({ after, limit }))

  fastify.get('/groups/:id/clients', { schema: { params: IdParams, querystring: PageQuery, response: { 200: ClientPage } } }, ({ params, query: { user, after, limit } }) => {
    return hub.clients({ group: params.id, user, after, limit })
  })

  const ofClient = { schema: { params: GroupClientParams, response: { 200: Membership } } }

  fastify.put('/groups/:id/clients/:clientId', ofClient, async ({ params: { id: group, clientId } }) => {
    await hub.join({ client: clientId }, group)
    return { group, member: true }
  })

  fastify.delete('/groups/:id/clients/:clientId', ofClient, async ({ params: { id: group, clientId } }) => {
    await hub.leave({ client: clientId }, group)
    return { group, member: false }
  })

  const ofUser = { schema: { params: UserGroupParams, response: { 200: Membership } } }

  fastify.put('/users/:id/groups/:group', ofUser, async ({ params: { id: user, group } }) => {
    await hub.join({ user }, group)
    return { group, member: true }
  })

  fastify.delete('/users/:id/groups/:group', ofUser, async ({ params: { id: user, group } }) => {
    await hub.leave({ user }, group)
    return { group, member: false }
  })
}
