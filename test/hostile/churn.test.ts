import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { WebSocket } from 'ws'
import { MemoryEngine } from '../../services/engine/memory/engine.ts'
import { Hub } from '../../services/hub/hub.ts'
import type { Connection } from '../../services/hub/outbox/connection.ts'
import { raw } from '../../services/protocol/raw.ts'
import { WsService } from '../../services/transport/ws-service.ts'
import { connect, GREETING, listen, TestClient, token, until } from '../support/helper.ts'
import { rawConnect } from '../support/raw-client.ts'

// What went wrong in the Go services that the hub takes over from, each in the way in which it went wrong there.

t.test('clients may come and go while broadcasts run; those that stay miss nothing', async (t) => {
  const { app, url } = await listen(t, { websocket: { upgradesPerSecond: 0, maxClientsPerUser: 0 } })
  const steady = await Promise.all([1, 2, 3].map(() => connect(t, url)))
  let isChurning = true
  let opened = 0
  const churners = Array.from({ length: 8 }, async (_, n) => {
    while (isChurning) {
      const socket = new WebSocket(`${url}?token=${token({ user: `churn-${n}` })}`)
      socket.on('error', () => {}) // Leaving during the handshake is part of it.
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
  t.ok(opened > 50, `${opened} connections came and went`)
  for (const client of steady) {
    for (let n = 0; n < 1000; n++) {
      const frame = await client.next()
      if (frame !== String(n)) return t.fail(`expected ${n}, got ${String(frame)}`)
    }
  }
  await until(() => app.hub.size === steady.length, 'those that went are forgotten')
})

t.test('one user on two devices gets everything on both, and one leaving takes nothing from the other', async (t) => {
  const { app, url } = await listen(t)
  const [old, young] = [await connect(t, url), await connect(t, url)]
  for (const n of ['1', '2']) {
    await app.hub.send({ user: 'alice' }, n)
    t.equal(await old.next(), n)
    t.equal(await young.next(), n)
  }
  old.socket.terminate()
  await until(() => app.hub.size === 1)
  t.match(await app.hub.send({ user: 'alice' }, '3'), { matched: 1 })
  t.equal(await young.next(), '3')
})

t.test('a client that sends a Close frame gets one back, its pings get a pong, and no further frame is sent to it', async (t) => {
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

t.test('a broadcast reaches every connected client, after any churn', async (t) => {
  const { app, url } = await listen(t)
  for (const user of ['gone-1', 'gone-2']) (await connect(t, url, { user })).socket.terminate()
  await until(() => app.hub.size === 0)
  const here = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => connect(t, url, { user: `here-${n}` })))
  t.match(await app.hub.broadcast('all of you'), { matched: 6, written: 6 })
  for (const client of here) t.equal(await client.next(), 'all of you')
})

const silent = { debug () {}, info () {}, warn () {}, error () {} }

function service () {
  const engine = new MemoryEngine({ log: { maxAgeMs: 1000, maxCount: 10 }, inbox: { maxAgeMs: 1000, maxCount: 10 }, maxBytes: 1000, idempotencyWindowMs: 1000 })
  const hub = new Hub({
    engine,
    log: silent,
    heartbeat: { pingPeriodMs: 1000, maxUnanswered: 1, readDeadlineMs: 0, writeDeadlineMs: 1000 },
    drain: { graceMs: 1000, batch: 10 },
    queue: { maxBytes: 1000, maxWrites: 10, policy: 'disconnect' },
    flushIntervalMs: 0,
    maxMessageBytes: 1000,
    maxClients: 0,
    maxClientsPerUser: 0,
    messagesPerSecond: 0,
    actionTimeoutMs: 0,
    resumeWindowMs: 1000,
    maxMailboxes: 0, idempotencyWindowMs: 1000
  })
  return { engine, hub, ws: new WsService(hub, silent, 1000) }
}

function fakeConnection (): Connection & { isTerminated: boolean } {
  const connection = { stream: new PassThrough(), address: 'test', isOpen: true, bytesRead: 0, isTerminated: false, close () {}, terminate () { connection.isTerminated = true }, pause () {}, resume () {} }
  return connection
}

t.test('a connection may be unregistered any number of times, and onError and onClose come once', async (t) => {
  const { hub, ws } = service()
  const told: string[] = []
  hub.on('error', (_client, error) => told.push(error.message))
  hub.on('close', (_client, code) => told.push(`close ${code}`))
  const client = ws.onOpen(fakeConnection(), { user: 'alice', roles: [] }, raw)
  if (client === null) return t.fail('it was not opened')
  ws.onError(client, new Error('first'))
  ws.onError(client, new Error('second'))
  ws.onClose(client, 1006, '')
  ws.onClose(client, 1006, '')
  ws.onError(client, new Error('third'))
  t.equal(hub.forget(client), false)
  t.equal(hub.size, 0)
  await until(() => told.length === 2)
  t.same(told, ['first', 'close 1006'])
})

t.test('a connection that cannot be opened leaves nothing behind', async (t) => {
  const { engine, hub, ws } = service()
  engine.follow = () => { throw new Error('the engine is ill') }
  const connection = fakeConnection()
  t.equal(ws.onOpen(connection, { user: 'alice', roles: [] }, raw), null)
  t.ok(connection.isTerminated)
  t.equal(hub.size, 0)
})

t.test('every client receives the close of the service, in batches, and a client that stays is cut off at the deadline', async (t) => {
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
  t.match([response.statusCode, response.headers['retry-after']], [503, '5'], 'nobody comes in any more')

  t.same([...new Set((await Promise.all(closed)).map(({ code, reason }) => `${code} ${reason}`))], ['1012 service restart'])
  t.ok(Math.max(...ends) - Math.min(...ends) > 150, 'not all at once')
  await draining
  t.ok(Date.now() - started >= 1900, 'the frozen one got its time')
  t.equal(app.hub.size, 0)
  await app.hub.drain()
  await app.close()
  await app.close()
})

t.test('messages published before the end arrive before the Close frame', async (t) => {
  const { app, url } = await listen(t)
  const client = await connect(t, url)
  const closed = client.closed()
  const said = app.hub.broadcast('last words')
  const drained = app.hub.drain()
  t.equal(await client.next(), 'last words')
  t.equal((await closed).code, 1012)
  await Promise.all([said, drained])
  await app.close()
  await t.rejects(app.hub.broadcast('after the end'), { code: 'HUB_DRAINING' })
})

t.test('close() waits for what the application does about clients that go, and not for ever', async (t) => {
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

t.test('the greeting is first for everybody, though broadcasts never pause', async (t) => {
  const { app, url } = await listen(t)
  const talk = { isOver: false }
  const talking = (async () => { while (!talk.isOver) await app.hub.broadcast('noise') })()
  const firsts = await Promise.all(Array.from({ length: 20 }, async () => {
    const client = new TestClient(new WebSocket(`${url}?token=${token()}`))
    t.teardown(() => client.socket.terminate())
    return client.next()
  }))
  talk.isOver = true
  await talking
  t.same([...new Set(firsts)], [GREETING])
})

t.test('a client that never answers a Close frame loses its connection all the same', async (t) => {
  const { app, port } = await listen(t)
  const client = await rawConnect({ port, token: token() })
  t.teardown(() => client.destroy())
  t.equal((await client.next()).payload.toString(), GREETING)
  await app.hub.disconnect({ user: 'alice' })
  // The server waits 5 s for the answer.
  t.strictSame(await client.closed(10_000), { code: 4000, reason: 'disconnected' })
  await until(() => app.hub.size === 0, 'the hub has removed the client')
})
