import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { hubOf } from './hub-of.ts'

const CANNOT_STORE = {
  status: 'cannot store',
  problem: 'The log cannot be written; messages are delivered and not stored.'
}

const State = Type.Object({ status: Type.String(), problem: Type.Optional(Type.String()) })

/**
 * The health routes, both without a token check.
 *
 * - GET /healthz: 200 while the process responds.
 * - GET /readyz: 200 while the hub takes clients and can store messages; 503 while the hub starts or drains, and while
 *   the log cannot be written. The reason is in the log alone: the response may be read by everybody.
 */
export const healthRoutes: FastifyPluginAsyncTypebox = async function healthRoutes (fastify) {
  const hub = hubOf(fastify)

  fastify.get('/healthz', { schema: { response: { 200: State } } }, async () => ({ status: 'ok' }))

  fastify.get('/readyz', { schema: { response: { 200: State, 503: State } } }, async (_request, reply) => {
    if (hub.state !== 'ready') return reply.code(503).send({ status: hub.state })
    return hub.problem === null ? { status: hub.state } : reply.code(503).send(CANNOT_STORE)
  })
}
