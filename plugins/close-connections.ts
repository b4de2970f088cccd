import type { Socket } from 'node:net'
import fp from 'fastify-plugin'

/**
 * Ends the connections of HTTP clients when the service closes. Registered after the hub, whose clients get their Close
 * frames before. Node itself ends only connections that are idle behind a request, and no time limit holds any more:
 *
 * - A connection that has not sent a byte is ended at once: browsers and the `fetch` of Node open spare ones.
 * - A request that is still being sent has `graceMs`.
 */
export const closeConnections = fp<{ graceMs: number }>(async function closeConnections (fastify, { graceMs }) {
  const { server } = fastify
  const sockets = new Set<Socket>()
  // One function for all sockets: a closure for each would cost memory.
  const forget = function (this: Socket): void { sockets.delete(this) }
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', forget)
  })
  fastify.addHook('preClose', async () => {
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    setTimeout(() => server.closeAllConnections(), graceMs).unref()
  })
}, { name: 'fastify-hub-close-connections', fastify: '5.x' })
