// Routes and plugins without the plugins that they build on.

import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { hub } from '../../plugins/hub.ts'
import { compatRoutes } from '../../routes/compat/index.ts'
import { healthRoutes } from '../../routes/health.ts'
import { sseRoute } from '../../routes/live/sse.ts'
import { wsRoute } from '../../routes/live/ws.ts'
import { completeConfig } from '../../services/config/load.ts'
import { RateLimit } from '../../services/lib/rate-limit.ts'

t.test('a route without its decorator fails at boot, and the error names the decorator', async (t) => {
  const { websocket, sse, compat } = completeConfig({})
  const endpoint = { config: websocket, connectRate: new RateLimit(0), authenticate: () => {} }
  const routes = [
    (app: FastifyInstance) => app.register(healthRoutes),
    (app: FastifyInstance) => app.register(wsRoute, endpoint),
    (app: FastifyInstance) => app.register(sseRoute, { ...endpoint, sse }),
    (app: FastifyInstance) => app.register(compatRoutes, { ...endpoint, compat, check: () => null })
  ]
  const errors = await Promise.all(routes.map(async (register) => {
    const app = Fastify()
    t.teardown(() => app.close())
    register(app)
    return Promise.resolve(app.ready()).then(() => null, (error: unknown) => error)
  }))
  t.match(errors, routes.map(() => ({ message: /fastify\.hub/ })))
})

t.test('the hub plugin without an engine fails at boot, and the error names the missing part', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const ready = Promise.resolve(app.register(hub, { config: completeConfig({}), shortestPingMs: undefined }))
  await t.rejects(ready, { message: /engine/ })
})
