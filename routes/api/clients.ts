import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { HubError } from '../../services/model/errors.ts'
import { ClientInfo, ClientPage } from '../../services/model/info.ts'
import { hubOf } from '../hub-of.ts'
import { Disconnected, DisconnectQuery, ERROR_RESPONSES, IdParams, PageQuery } from './schemas.ts'

/** GET /clients, GET and DELETE /clients/:id, DELETE /users/:id/clients: list, read and disconnect clients. */
export const clientRoutes: FastifyPluginAsyncTypebox = async function clientRoutes (fastify) {
  const hub = hubOf(fastify)
  const list = { schema: { querystring: PageQuery, response: { 200: ClientPage, ...ERROR_RESPONSES } } }
  const read = { schema: { params: IdParams, response: { 200: ClientInfo, ...ERROR_RESPONSES } } }
  const disconnectResponse = { 200: Disconnected, ...ERROR_RESPONSES }
  const disconnect = { schema: { params: IdParams, querystring: DisconnectQuery, response: disconnectResponse } }

  fastify.get('/clients', list, ({ query: { user, after, limit } }) => hub.clients({ user, after, limit }))

  fastify.get('/clients/:id', read, async (request) => {
    const { clients: [client] } = await hub.clients({ id: request.params.id, limit: 1 })
    if (client === undefined) throw notConnected()
    return client
  })

  fastify.delete('/clients/:id', disconnect, async ({ params, query: { code, reason } }) => {
    const disconnected = await hub.disconnect({ client: params.id }, { code, reason })
    if (disconnected === 0) throw notConnected()
    return { disconnected }
  })

  fastify.delete('/users/:id/clients', disconnect, async ({ params, query: { code, reason } }) => {
    return { disconnected: await hub.disconnect({ user: params.id }, { code, reason }) }
  })
}

function notConnected (): HubError {
  return new HubError('HUB_CLIENT_NOT_FOUND', 'This client is not connected.')
}
