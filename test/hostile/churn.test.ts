// Takes over 10 s: one test waits 5 s for the deadline of a closing handshake, and others drain many clients.

import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { WebSocket } from 'ws'
import { createMemoryEngine } from '../../services/engine/memory/engine.ts'
import { Hub } from '../../services/hub/hub.ts'
import { HubNode } from '../../services/hub/node.ts'
import type { Connection } from '../../services/hub/outbox/connection.ts'
import { raw } from '../../services/protocol/raw.ts'
import { WsService } from '../../services/transport/ws-service.ts'
import { connect, GREETING, listen, TestClient, token, until } from '../support/helper.ts'
import { hubOptions } from '../services/hub/peer.ts'
import { rawConnect } from '../support/raw-client.ts'

// The failures of the Go services that the hub replaces. Each test repeats the conditions of a failure.

t.test('clients that stay connected receive every broadcast while other clients connect and disconnect', async (t) => {
  const { app, url } = await listen(t, { websocket: { upgradesPerSecond: 0, maxClientsPerUser: 0 } })
  const steady = await Promise.all([1, 2, 3].map(() => connect(t, url)))
  let isChurning = true
  let opened = 0
  const churners = Array.from({ length: 8 }, async (_, n) => {
    while (isChurning) {
      const socket = new WebSocket(`${url}?token=${token({ user: `churn-${n}` })}`)
      socket.on('error', () => {}) // Some clients disconnect during the handshake.
      if (++opened % 3 === 0) { socket.terminate(); continue }
      await once(socket, 'open')
      if (opened % 3 === 1) socket.terminate()
      else socket.close()
      await once(socket, 'close')
    }
  })
  for (let n = 0; n < 1000; n++) {
    const { matched } = await app.hub.broadcast(String(n))
    if (matched < steady.length) t.fail(`only ${matched} clients matched`)
  }
  isChurning = false
  await Promise.all(churners)
  t.ok(opened > 50, `${opened} connections were opened and closed`)
  for (const client of steady) {
    for (let n = 0; n < 1000; n++) {
      const frame = await client.next()
      if (frame !== String(n)) return t.fail(`expected ${n}, got ${String(frame)}`)
    }
  }
  await until(() => app.hub.size === steady.length, 'the removal of the disconnected clients')
})

t.test('a user gets every message on two devices, and the end of one connection does not affect the other', async (t) => {
  const { app, url } = await listen(t)
  const [first, second] = [await connect(t, url), await connect(t, url)]
  for (const n of ['1', '2']) {
    await app.hub.send({ user: 'alice' }, n)
    t.equal(await first.next(), n)
    t.equal(await second.next(), n)
  }
  first.socket.terminate()
  await until(() => app.hub.size === 1)
  t.match(await app.hub.send({ user: 'alice' }, '3'), { matched: 1 })
  t.equal(await second.next(), '3')
})

t.test('a client gets a pong for its ping, a Close frame for its Close frame, and no further frame', async (t) => {
  const { app, url } = await listen(t)
  const client = await connect(t, url)
  const pong = once(client.socket, 'pong')
  client.socket.ping('are you there')
  t.equal(String((await pong)[0]), 'are you there')
  const closed = client.closed()
  client.socket.close(1000, 'bye')
  t.same(await closed, { code: 1000, reason: 'bye' })
  await until(() => app.hub.size === 0)
  t.match(await app.hub.send({ user: 'alice' }, 'too late'), { matched: 0 })
})

t.test('a broadcast reaches every connected client after other clients disconnected', async (t) => {
  const { app, url } = await listen(t)
  for (const user of ['gone-1', 'gone-2']) (await connect(t, url, { user })).socket.terminate()
  await until(() => app.hub.size === 0)
  const clients = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => connect(t, url, { user: `here-${n}` })))
  await until(async () => (await app.hub.clients()).clients.every(({ behind }) => !behind), 'that all are live')
  t.match(await app.hub.broadcast('all of you'), { matched: 6, written: 6 })
  for (const client of clients) t.equal(await client.next(), 'all of you')
})

const silent = { debug () {}, info () {}, warn () {}, error () {} }

function service () {
  const engine = createMemoryEngine({ log: { maxAgeMs: 1000, maxCount: 10 }, inbox: { maxAgeMs: 1000, maxCount: 10 }, maxBytes: 1000, idempotencyWindowMs: 1000 })
  const node = new HubNode(hubOptions(engine, { log: silent }))
  return { node, hub: new Hub(node), ws: new WsService(node, silent, 1000) }
}

const TICKET = { identity: { user: 'alice', roles: [] }, durableCursor: { user: 'alice', name: '', scope: 'inbox' as const }, start: { after: undefined } }

function fakeConnection (): Connection & { isTerminated: boolean } {
  const connection = { stream: new PassThrough(), address: 'test', isOpen: true, isEnded: false, bytesRead: 0, isTerminated: false, close () {}, terminate () { connection.isTerminated = true }, pause () {}, resume () {} }
  return connection
}

t.test('a connection can be unregistered any number of times, and emits error and close once', async (t) => {
  const { hub, node, ws } = service()
  const events: string[] = []
  hub.on('error', (_client, error) => events.push(error.message))
  hub.on('close', (_client, code) => events.push(`close ${code}`))
  const client = ws.onOpen(TICKET, fakeConnection(), raw)
  if (client === null) return t.fail('the connection was not opened')
  ws.onError(client, new Error('first'))
  ws.onError(client, new Error('second'))
  ws.onClose(client, 1006, '')
  ws.onClose(client, 1006, '')
  ws.onError(client, new Error('third'))
  node.forget(client, { code: 1006, reason: '' })
  t.equal(hub.size, 0)
  await until(() => events.length === 2)
  t.same(events, ['first', 'close 1006'])
})

t.test('a connection that cannot be opened is terminated and not registered', async (t) => {
  const { hub, ws } = service()
  const failing = { ...raw, encodeGreeting: () => { throw new Error('cannot') } }
  const connection = fakeConnection()
  t.equal(ws.onOpen(TICKET, connection, failing), null)
  t.ok(connection.isTerminated)
  t.equal(hub.size, 0)
})

t.test('a drain closes all clients in batches, and terminates a remaining client at the deadline', async (t) => {
  const { app, url, port } = await listen(t, { websocket: { maxClientsPerUser: 0, drain: { batch: 5, grace: '2s' } } })
  const frozen = await rawConnect({ port, token: token({ user: 'frozen' }) })
  frozen.pause()
  t.teardown(() => frozen.destroy())
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(t, url)))
  const ends: number[] = []
  const closed = clients.map(async (client) => {
    const end = await client.closed()
    ends.push(Date.now())
    return end
  })
  const started = Date.now()
  const draining = app.hub.drain()
  t.equal(app.hub.state, 'draining')

  const late = new TestClient(new WebSocket(`${url}?token=${token()}`))
  const [, response] = await once(late.socket, 'unexpected-response') as [unknown, { statusCode: number, headers: Record<string, string> }]
  t.match([response.statusCode, response.headers['retry-after']], [503, '5'], 'new clients are refused')

  t.same([...new Set((await Promise.all(closed)).map(({ code, reason }) => `${code} ${reason}`))], ['1012 service restart'])
  t.ok(Math.max(...ends) - Math.min(...ends) > 150, 'in several batches')
  await draining
  t.ok(Date.now() - started >= 1900, 'the frozen client had the grace period')
  t.equal(app.hub.size, 0)
  await app.hub.drain()
  await app.close()
  await app.close()
})

t.test('messages published before a drain arrive before the Close frame', async (t) => {
  const { app, url } = await listen(t)
  const client = await connect(t, url)
  const closed = client.closed()
  const published = app.hub.broadcast('the last message')
  const drained = app.hub.drain()
  t.equal(await client.next(), 'the last message')
  t.equal((await closed).code, 1012)
  await Promise.all([published, drained])
  await app.close()
  await t.rejects(app.hub.broadcast('after the end'), { code: 'HUB_DRAINING' })
})

t.test('close() waits for the close handlers of the application, with a time limit', async (t) => {
  const { app, url, log } = await listen(t, { websocket: { drain: { grace: '300ms' } } })
  let finished = 0
  app.hub.on('close', async (client) => {
    if (client.identity.user === 'stuck') await new Promise(() => {})
    await sleep(50)
    finished++
  })
  for (const user of ['a', 'b', 'stuck']) await connect(t, url, { user })
  await app.close()
  t.equal(finished, 2)
  t.match(log.lines.find(({ msg }) => String(msg).startsWith('some connections did not end')), { clients: 1 })
})

t.test('every client gets the greeting first, while broadcasts run without a pause', async (t) => {
  const { app, url } = await listen(t)
  const noise = { isOver: false }
  const publishing = (async () => { while (!noise.isOver) await app.hub.broadcast('noise') })()
  const firsts = await Promise.all(Array.from({ length: 20 }, async () => {
    const client = new TestClient(new WebSocket(`${url}?token=${token()}`))
    t.teardown(() => client.socket.terminate())
    return client.next()
  }))
  noise.isOver = true
  await publishing
  t.same([...new Set(firsts)], [GREETING])
})

t.test('the connection of a client that never answers a Close frame is ended', async (t) => {
  const { app, port } = await listen(t)
  const client = await rawConnect({ port, token: token() })
  t.teardown(() => client.destroy())
  t.equal((await client.next()).payload.toString(), GREETING)
  await app.hub.disconnect({ user: 'alice' })
  // The server waits 5 s for the answer.
  t.strictSame(await client.closed(10_000), { code: 4000, reason: 'disconnected' })
  await until(() => app.hub.size === 0, 'the hub has removed the client')
})
