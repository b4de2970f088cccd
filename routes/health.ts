import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

const State = Type.Object({ status: Type.String(), problem: Type.Optional(Type.String()) })

/**
 * GET /healthz: the process answers. GET /readyz: it takes clients and can store messages; 503 while it starts or drains,
 * and while the log cannot be written. Both without a token.
 */
export const healthRoutes: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.get('/healthz', { schema: { response: { 200: State } } }, async () => ({ status: 'ok' }))

  fastify.get('/readyz', { schema: { response: { 200: State, 503: State } } }, async (_request, reply) => {
    const { engine: { problem }, hub: { state } } = fastify
    if (state !== 'ready') return reply.code(503).send({ status: state })
    return problem === null ? { status: state } : reply.code(503).send({ status: 'cannot store', problem })
  })
}
