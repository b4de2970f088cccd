import fp from 'fastify-plugin'

/** Plugins that have an effect only on routes that are added after them, with the effect on the routes of the hub. */
const FIRST = {
  '@fastify/rate-limit': 'it does not limit the requests to the routes of the hub',
  '@fastify/swagger': 'its document does not have the routes of the hub'
}

/** Warns at boot about plugins that have no effect on the routes of the hub, because they came after the hub. */
export const order = fp(async function order (fastify) {
  const missing = Object.entries(FIRST).filter(([name]) => !fastify.hasPlugin(name))
  fastify.addHook('onReady', async () => {
    for (const [name, consequence] of missing) {
      if (!fastify.hasPlugin(name)) continue
      fastify.log.warn(`${name} was registered after fastify-hub, so ${consequence}; register it before fastify-hub`)
    }
  })
}, { name: 'fastify-hub-order', fastify: '5.x' })
