// The beginning and the end of connections.

import { once } from 'node:events'
import { connect as connectTcp, type Server } from 'node:net'
import { WebPubSubClient, WebPubSubJsonReliableProtocol } from '@azure/web-pubsub-client'
import Fastify from 'fastify'
import t from 'tap'
import { fastifyHub } from '../../../../app.ts'
import { connect, IN_MEMORY, listen, token, until } from '../../../support/helper.ts'
import { connectJson } from '../../../support/json-client.ts'

for (const slowClient of ['catchUp', 'disconnect'] as const) {
  t.test(`a new client receives early messages after its inbox (slowClient: ${slowClient})`, async (t) => {
    const { app, url } = await listen(t, { websocket: { slowClient } })
    app.hub.on('open', ({ id }) => void app.hub.send({ client: id }, 'welcome', { keep: false }))
    await app.hub.send({ user: 'bob' }, 'in the inbox')
    const bob = await connect(t, url, { user: 'bob' })
    t.same([await bob.next(), await bob.next()], ['in the inbox', 'welcome'])
    const carl = await connectJson(t, url, { user: 'carl' })
    t.match(await carl.nextJson(), { data: 'welcome' })
    t.match(await app.hub.broadcast('to all'), { matched: 2, written: 2, dropped: 0 })
    t.match(await app.hub.clients(), { dropped: 0 })
  })
}

t.test('of many early messages the first 16 are delivered, and the client stays connected', async (t) => {
  const { app, url, log } = await listen(t, { websocket: { slowClient: 'disconnect' } })
  app.hub.on('open', ({ id }) => {
    for (let n = 0; n < 40; n++) void app.hub.send({ client: id }, `${n}`, { keep: false })
  })
  const bob = await connect(t, url, { user: 'bob' })
  for (let n = 0; n < 16; n++) t.equal(await bob.next(), `${n}`)
  await app.hub.broadcast('live')
  t.equal(await bob.next(), 'live')
  t.notMatch(log.text, /too slow/)
})

t.test('a stream whose client disconnects during the token check leaves no client behind', async (t) => {
  const checks: Array<() => void> = []
  // `fetch` opens a spare connection that never sends a request. Without this option `close()` waits for its timeout.
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(fastifyHub, {
    ...IN_MEMORY,
    websocket: { maxClientsPerUser: 3 },
    authenticate: () => new Promise((resolve) => { checks.push(() => resolve({ user: 'bob', roles: [] })) })
  })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  for (let n = 1; n <= 5; n++) {
    const socket = connectTcp(Number(port), '127.0.0.1')
    socket.write('GET /admin/events?token=x HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(() => checks.length === n, 'the check')
    socket.destroy()
    await once(socket, 'close')
  }
  await until(async () => await connections(app.server) === 0, 'the server to see the end of the connections')
  for (const finish of checks) finish()
  // The handlers of these requests have run when the handler of a later request has run.
  const last = fetch(`http://127.0.0.1:${port}/admin/events?token=x`)
  await until(() => checks.length === 6)
  checks.at(-1)?.()
  const response = await last
  t.equal(response.status, 200)
  t.match(await app.hub.clients(), { total: 1 })
  t.equal(app.hub.size, 1)
  await response.body?.cancel()
  await until(() => app.hub.size === 0)
})

t.test('on an orderly shutdown, the state of all clients is stored first', async (t) => {
  const { app, url, log } = await listen(t)
  const clients = await Promise.all(Array.from({ length: 30 }, (_, n) => {
    return connectJson(t, url, { user: `user ${n}`, roles: ['webpubsub.joinLeaveGroup'] })
  }))
  for (const client of clients) client.sendJson({ type: 'joinGroup', group: 'news' })
  await until(async () => (await app.hub.clients({ group: 'news' })).total === clients.length)
  await app.close()
  t.notMatch(log.text, /could not be/)
})

t.test('the npm client gets a new token as soon as its own has expired', async (t) => {
  const { app, url } = await listen(t)
  // `exp` is in whole seconds: a token of one second may live for a few milliseconds only.
  const ttls = [2, 3600]
  const requested: number[] = []
  const client = new WebPubSubClient({
    getClientAccessUrl: async () => {
      const ttlSeconds = ttls[Math.min(requested.length, ttls.length - 1)] ?? 0
      requested.push(ttlSeconds)
      return `${url}?token=${token({ user: 'bob', ttlSeconds })}`
    }
    // After a reconnect the client forgets the timers of its keep-alive, which keep the process alive for 40 s.
  }, { protocol: WebPubSubJsonReliableProtocol(), keepAliveIntervalInMs: 0, keepAliveTimeoutInMs: 0 })
  t.teardown(() => client.stop())
  const got: unknown[] = []
  client.on('server-message', ({ message }) => got.push(message.data))
  await client.start()
  await until(() => requested.length === 2 && app.hub.size === 1, 'another token')
  await until(async () => (await app.hub.clients()).clients[0]?.behind === false, 'being live')
  await app.hub.send({ user: 'bob' }, 'still here')
  await until(() => got.includes('still here'))
  t.same(requested, ttls)
})

function connections (server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => { if (error === null) resolve(count); else reject(error) })
  })
}
