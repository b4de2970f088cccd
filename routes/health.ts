import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { hubOf } from './hub-of.ts'

const State = Type.Object({ status: Type.String(), problem: Type.Optional(Type.String()) })

/**
 * The health routes, both without a token check.
 *
 * - GET /healthz: 200 while the process responds.
 * - GET /readyz: 200 while the hub takes clients and can store messages; 503 while the hub starts or drains, and while
 *   the log cannot be written.
 */
export const healthRoutes: FastifyPluginAsyncTypebox = async function healthRoutes (fastify) {
  const hub = hubOf(fastify)

  fastify.get('/healthz', { schema: { response: { 200: State } } }, async () => ({ status: 'ok' }))

  fastify.get('/readyz', { schema: { response: { 200: State, 503: State } } }, async (_request, reply) => {
    if (hub.state !== 'ready') return reply.code(503).send({ status: hub.state })
    const { state, problem } = hub
    return problem === null ? { status: state } : reply.code(503).send({ status: 'cannot store', problem })
  })
}
