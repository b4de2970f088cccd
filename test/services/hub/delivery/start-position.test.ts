// What happens to connections in their first moments, and in their last.

import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { WebPubSubClient, WebPubSubJsonReliableProtocol } from '@azure/web-pubsub-client'
import Fastify from 'fastify'
import t from 'tap'
import { fastifyHub } from '../../../../app.ts'
import { connect, IN_MEMORY, listen, token, until } from '../../../support/helper.ts'
import { welcome } from '../../../support/json-client.ts'

for (const slowClient of ['catchUp', 'disconnect'] as const) {
  t.test(`whoever has just come gets what is said to it and not kept, after its inbox (slowClient: ${slowClient})`, async (t) => {
    const { app, url } = await listen(t, { websocket: { slowClient } })
    app.hub.on('open', ({ id }) => void app.hub.send({ client: id }, 'welcome', { keep: false }))
    await app.hub.send({ user: 'bob' }, 'letter')
    const bob = await connect(t, url, { user: 'bob' })
    t.same([await bob.next(), await bob.next()], ['letter', 'welcome'])
    const carl = await welcome(t, url, { user: 'carl' })
    t.match(await carl.heard(), { data: 'welcome' })
    t.match(await app.hub.broadcast('to all'), { matched: 2, written: 2, dropped: 0 })
    t.match(await app.hub.clients(), { dropped: 0 })
  })
}

t.test('of a crowd of such messages only the first wait, and nobody is cut for the rest', async (t) => {
  const { app, url, log } = await listen(t, { websocket: { slowClient: 'disconnect' } })
  app.hub.on('open', ({ id }) => { for (let n = 0; n < 40; n++) void app.hub.send({ client: id }, `${n}`, { keep: false }) })
  const bob = await connect(t, url, { user: 'bob' })
  for (let n = 0; n < 16; n++) t.equal(await bob.next(), `${n}`)
  await app.hub.broadcast('live')
  t.equal(await bob.next(), 'live')
  t.notMatch(log.text, /too slow/)
})

t.test('a stream whose client has gone while its token was checked leaves nothing behind', async (t) => {
  const waiting: Array<() => void> = []
  // `fetch` opens a spare connection that never sends a request. Without this option `close()` waits for its timeout.
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(fastifyHub, {
    ...IN_MEMORY,
    websocket: { maxClientsPerUser: 3 },
    authenticate: () => new Promise((resolve) => { waiting.push(() => resolve({ user: 'bob', roles: [] })) })
  })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  for (let n = 1; n <= 5; n++) {
    const socket = connectTcp(Number(port), '127.0.0.1')
    socket.write('GET /admin/events?token=x HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(() => waiting.length === n, 'the check')
    socket.destroy()
    await once(socket, 'close')
  }
  await until(async () => await connections(app.server) === 0, 'that the server has noticed')
  for (const answer of waiting) answer()
  // Their handlers have run when that of a later request has.
  const last = fetch(`http://127.0.0.1:${port}/admin/events?token=x`)
  await until(() => waiting.length === 6)
  waiting.at(-1)?.()
  const response = await last
  t.equal(response.status, 200)
  t.match(await app.hub.clients(), { total: 1 })
  t.equal(app.hub.size, 1)
  await response.body?.cancel()
  await until(() => app.hub.size === 0)
})

t.test('in an orderly end, all that is known of clients reaches the log first', async (t) => {
  const { app, url, log } = await listen(t)
  const clients = await Promise.all(Array.from({ length: 30 }, (_, n) => welcome(t, url, { user: `user ${n}`, roles: ['webpubsub.joinLeaveGroup'] })))
  for (const client of clients) client.say({ type: 'joinGroup', group: 'news' })
  await until(async () => (await app.hub.clients({ group: 'news' })).total === clients.length)
  await app.close()
  t.notMatch(log.text, /could not be/)
})

t.test('the npm client gets a new token as soon as its own has expired', async (t) => {
  const { app, url } = await listen(t)
  // `exp` is in whole seconds: a token of one second may live for a few milliseconds only.
  const ttls = [2, 3600]
  const asked: number[] = []
  const client = new WebPubSubClient({
    getClientAccessUrl: async () => {
      const ttlSeconds = ttls[Math.min(asked.length, ttls.length - 1)] ?? 0
      asked.push(ttlSeconds)
      return `${url}?token=${token({ user: 'bob', ttlSeconds })}`
    }
    // After a reconnect the client forgets the timers of its keep-alive, which keep the process alive for 40 s.
  }, { protocol: WebPubSubJsonReliableProtocol(), keepAliveIntervalInMs: 0, keepAliveTimeoutInMs: 0 })
  t.teardown(() => client.stop())
  const got: unknown[] = []
  client.on('server-message', ({ message }) => got.push(message.data))
  await client.start()
  await until(() => asked.length === 2 && app.hub.size === 1, 'another token')
  await until(async () => (await app.hub.clients()).clients[0]?.behind === false, 'being live')
  await app.hub.send({ user: 'bob' }, 'still here')
  await until(() => got.includes('still here'))
  t.same(asked, ttls)
})

function connections (server: { getConnections (callback: (error: Error | null, count: number) => void): unknown }): Promise<number> {
  return new Promise((resolve, reject) => server.getConnections((error, count) => { if (error === null) resolve(count); else reject(error) }))
}
