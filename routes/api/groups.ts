import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ClientPage, GroupPage } from '../../services/model/info.ts'
import { hubOf } from '../hub-of.ts'
import { ERROR_RESPONSES, GroupPageQuery, Membership, PageQuery } from './schemas.ts'
import { GroupClientParams, IdParams, UserGroupParams } from './schemas.ts'

/**
 * GET /groups and /groups/:id/clients, PUT and DELETE of a client or a user in a group: list groups, read and change
 * members.
 */
export const groupRoutes: FastifyPluginAsyncTypebox = async function groupRoutes (fastify) {
  const hub = hubOf(fastify)
  const list = { schema: { querystring: GroupPageQuery, response: { 200: GroupPage, ...ERROR_RESPONSES } } }
  const clientPage = { 200: ClientPage, ...ERROR_RESPONSES }
  const membership = { 200: Membership, ...ERROR_RESPONSES }
  const members = { schema: { params: IdParams, querystring: PageQuery, response: clientPage } }
  const clientMembership = { schema: { params: GroupClientParams, response: membership } }
  const userMembership = { schema: { params: UserGroupParams, response: membership } }

  fastify.get('/groups', list, ({ query: { after, limit } }) => hub.groups({ after, limit }))

  fastify.get('/groups/:id/clients', members, ({ params, query: { user, after, limit } }) => {
    return hub.clients({ group: params.id, user, after, limit })
  })

  fastify.put('/groups/:id/clients/:clientId', clientMembership, async ({ params: { id: group, clientId } }) => {
    await hub.join({ client: clientId }, group)
    return { group, member: true }
  })

  fastify.delete('/groups/:id/clients/:clientId', clientMembership, async ({ params: { id: group, clientId } }) => {
    await hub.leave({ client: clientId }, group)
    return { group, member: false }
  })

  fastify.put('/users/:id/groups/:group', userMembership, async ({ params: { id: user, group } }) => {
    await hub.join({ user }, group)
    return { group, member: true }
  })

  fastify.delete('/users/:id/groups/:group', userMembership, async ({ params: { id: user, group } }) => {
    await hub.leave({ user }, group)
    return { group, member: false }
  })
}
