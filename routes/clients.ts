import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ClientInfo, ClientPage } from '../services/client-info.ts'
import { HubError } from '../services/errors.ts'
import { Disconnected, DisconnectQuery, IdParams, PageQuery } from './schemas.ts'

/** GET /clients, GET and DELETE /clients/:id, DELETE /users/:id/clients: who is connected, and goodbye. */
export const clientRoutes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { hub } = fastify

  fastify.get('/clients', { schema: { querystring: PageQuery, response: { 200: ClientPage } } }, (request) => hub.clients(request.query))

  fastify.get('/clients/:id', { schema: { params: IdParams, response: { 200: ClientInfo } } }, async (request) => {
    const { clients: [client] } = await hub.clients({ id: request.params.id, limit: 1 })
    if (client === undefined) throw notConnected()
    return client
  })

  const goodbye = { schema: { params: IdParams, querystring: DisconnectQuery, response: { 200: Disconnected } } }

  fastify.delete('/clients/:id', goodbye, async (request) => {
    const disconnected = await hub.disconnect({ client: request.params.id }, request.query)
    if (disconnected === 0) throw notConnected()
    return { disconnected }
  })

  fastify.delete('/users/:id/clients', goodbye, async (request) => {
    return { disconnected: await hub.disconnect({ user: request.params.id }, request.query) }
  })
}

function notConnected (): HubError {
  return new HubError('HUB_CLIENT_NOT_FOUND', 'This client is not connected.')
}
