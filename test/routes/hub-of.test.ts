// Routes without the plugin that they build on.

import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { clientRoutes } from '../../routes/api/clients.ts'
import { groupRoutes } from '../../routes/api/groups.ts'
import { inboxRoutes } from '../../routes/api/inboxes.ts'
import { messageRoutes } from '../../routes/api/messages.ts'
import { healthRoutes } from '../../routes/health.ts'

t.test('a route without fastify.hub fails at boot, and the error names the decorator', async (t) => {
  const routes = [
    (app: FastifyInstance) => app.register(healthRoutes),
    (app: FastifyInstance) => app.register(clientRoutes),
    (app: FastifyInstance) => app.register(groupRoutes),
    (app: FastifyInstance) => app.register(inboxRoutes),
    (app: FastifyInstance) => app.register(messageRoutes, { maxMessageBytes: 1000 })
  ]
  const errors = await Promise.all(routes.map(async (register) => {
    const app = Fastify()
    t.teardown(() => app.close())
    register(app)
    return Promise.resolve(app.ready()).then(() => null, (error: unknown) => error)
  }))
  t.match(errors, routes.map(() => ({ message: /fastify\.hub/ })))
})
