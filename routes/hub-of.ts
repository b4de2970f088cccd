import type { FastifyInstance } from 'fastify'

/**
 * Returns `fastify.hub` for a route.
 *
 * @throws {Error} at boot, when the plugin that adds the hub is not registered.
 */
export function hubOf (fastify: FastifyInstance): FastifyInstance['hub'] {
  if (fastify.hasDecorator('hub')) return fastify.hub
  throw new Error('This route uses fastify.hub: register the plugin that adds it before the route.')
}
