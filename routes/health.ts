import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

const State = Type.Object({ status: Type.String() })

/** GET /healthz: the process answers. GET /readyz: it takes clients; 503 while it starts or drains. Both without a token. */
export const healthRoutes: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.get('/healthz', { schema: { response: { 200: State } } }, async () => ({ status: 'ok' }))

  fastify.get('/readyz', { schema: { response: { 200: State, 503: State } } }, async (_request, reply) => {
    const { state } = fastify.hub
    return reply.code(state === 'ready' ? 200 : 503).send({ status: state })
  })
}
