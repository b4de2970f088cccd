import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { decoratorOf } from './decorators.ts'

const State = Type.Object({ status: Type.String(), problem: Type.Optional(Type.String()) })

/**
 * The health routes, both without a token check.
 *
 * - GET /healthz: 200 while the process responds.
 * - GET /readyz: 200 while the hub takes clients and can store messages; 503 while the hub starts or drains, and while
 *   the engine cannot write the log.
 */
export const healthRoutes: FastifyPluginAsyncTypebox = async function healthRoutes (fastify) {
  const hub = decoratorOf(fastify, 'hub')
  const engine = decoratorOf(fastify, 'engine')

  fastify.get('/healthz', { schema: { response: { 200: State } } }, async () => ({ status: 'ok' }))

  fastify.get('/readyz', { schema: { response: { 200: State, 503: State } } }, async (_request, reply) => {
    if (hub.state !== 'ready') return reply.code(503).send({ status: hub.state })
    const { problem } = engine
    return problem === null ? { status: hub.state } : reply.code(503).send({ status: 'cannot store', problem })
  })
}
