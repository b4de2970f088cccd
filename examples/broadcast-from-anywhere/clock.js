// A plugin of your own that uses the hub: it tells every client the time.

import fp from 'fastify-plugin'

export default fp(async (fastify, { intervalMs = 1000 }) => {
  if (!(intervalMs > 0)) throw new Error('clock: intervalMs is the time between two ticks in milliseconds; it must be above 0.')

  // An object goes out as its JSON. Nobody needs an old time, so it stays out of the hub's log.
  const tick = () => {
    fastify.hub.broadcast({ time: new Date().toISOString() }, { keep: false })
      .catch((err) => fastify.log.error({ err }, 'the time could not be sent'))
  }

  let timer
  fastify.addHook('onReady', async () => { timer = setInterval(tick, intervalMs) })
  // A timer that goes on would keep the process alive.
  fastify.addHook('onClose', async () => clearInterval(timer))
}, {
  name: 'clock',
  // Without the hub the application does not even start, and says so.
  dependencies: ['fastify-hub']
})
