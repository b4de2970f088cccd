// A plugin of your own that uses the hub: it publishes the time to all clients.

import fp from 'fastify-plugin'

export default fp(async (fastify, { intervalMs = 1000 }) => {
  if (!(intervalMs > 0)) throw new Error('clock: intervalMs is the time between two ticks in milliseconds; it must be above 0.')

  // An object goes out as its JSON. An old time is useless, so the message is not kept in the log.
  const tick = () => {
    fastify.hub.broadcast({ time: new Date().toISOString() }, { keep: false })
      .catch((err) => fastify.log.error({ err }, 'the time could not be sent'))
  }

  let timer
  fastify.addHook('onReady', async () => { timer = setInterval(tick, intervalMs) })
  // A running timer would keep the process alive.
  fastify.addHook('onClose', async () => clearInterval(timer))
}, {
  name: 'clock',
  // Without the hub, the application fails at the start with an error that names the missing plugin.
  dependencies: ['fastify-hub']
})
