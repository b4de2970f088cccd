import type { FastifyInstance } from 'fastify'

/** Decorators that the plugins of the hub add and routes use. */
type HubDecorator = 'hub' | 'engine' | 'upgradeGate'

/**
 * Returns a decorator that a route uses.
 *
 * @throws {Error} at boot, with the decorator's name, when the plugin that adds the decorator is not registered.
 */
export function decoratorOf<K extends HubDecorator> (fastify: FastifyInstance, name: K): FastifyInstance[K] {
  if (fastify.hasDecorator(name)) return fastify[name]
  throw new Error(`This route uses fastify.${name}: register the plugin that adds it before the route.`)
}
