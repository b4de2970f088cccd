import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ClientInfo, ClientPage } from '../../services/model/info.ts'
import { HubError } from '../../services/model/errors.ts'
import { Disconnected, DisconnectQuery, IdParams, PageQuery } from './schemas.ts'

/** GET /clients, GET and DELETE /clients/:id, DELETE /users/:id/clients: who is connected, and goodbye. */
export const clientRoutes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { hub } = fastify

  fastify.get('/clients', { schema: { querystring: PageQuery, response: { 200: ClientPage } } }, ({ query: { user, after, limit } }) => hub.clients({ user, after, limit }))

  fastify.get('/clients/:id', { schema: { params: IdParams, response: { 200: ClientInfo } } }, async (request) => {
    const { clients: [client] } = await hub.clients({ id: request.params.id, limit: 1 })
    if (client === undefined) throw notConnected()
    return client
  })

  const goodbye = { schema: { params: IdParams, querystring: DisconnectQuery, response: { 200: Disconnected } } }

  fastify.delete('/clients/:id', goodbye, async ({ params, query: { code, reason } }) => {
    const disconnected = await hub.disconnect({ client: params.id }, { code, reason })
    if (disconnected === 0) throw notConnected()
    return { disconnected }
  })

  fastify.delete('/users/:id/clients', goodbye, async ({ params, query: { code, reason } }) => {
    return { disconnected: await hub.disconnect({ user: params.id }, { code, reason }) }
  })
}

function notConnected (): HubError {
  return new HubError('HUB_CLIENT_NOT_FOUND', 'This client is not connected.')
}
