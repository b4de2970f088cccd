import { once } from 'node:events'
import t from 'tap'
import { listen, token, until } from '../../support/helper.ts'
import { handshake, OPCODE, rawConnect, rawRequest } from '../../support/raw-client.ts'
import { dial, PLAIN, refusal, RELIABLE, connectJson, type JsonFrame } from '../../support/json-client.ts'

/** The close of a client that must start anew. The upgrade is completed, because clients repeat a request after an HTTP error. */
const START_OVER = { status: 101, code: 1008, reason: 'this connection cannot be resumed, start over' }

t.test('a connection is resumed under its id, with every message that was published to it meanwhile', async (t) => {
  const { app, url, log } = await listen(t)
  const bob = await connectJson(t, url)
  t.match(bob.greeting, { type: 'system', event: 'connected', userId: 'bob', reconnectionToken: /^[\w-]{32}$/ })
  const { offset } = await app.hub.broadcast('1')
  t.match(await bob.nextJson(), { sequenceId: offset, data: '1' })
  await app.hub.broadcast('2')
  t.match(await bob.nextJson(), { data: '2' })
  bob.sendJson({ type: 'sequenceAck', sequenceId: offset })
  bob.sendJson({ type: 'ping' })
  t.same(await bob.nextJson(), { type: 'pong' }, 'the acknowledgement has been read')
  await bob.dropConnection(app)
  await app.hub.send({ user: 'bob' }, '3')
  await app.hub.broadcast('4', { ttl: 60 })
  await app.hub.broadcast('not in the log', { keep: false })
  t.match(await app.hub.send({ client: bob.id }, '5'), { matched: 0, stored: true })

  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  t.equal(resumed.id, bob.id)
  t.equal(resumed.greeting['reconnectionToken'], bob.greeting['reconnectionToken'], 'whoever is lost before hearing of it can come back with what it has')
  const again = [
    await resumed.nextJson(), await resumed.nextJson(), await resumed.nextJson(), await resumed.nextJson()
  ]
  t.same(again.map(({ data }) => data), ['2', '3', '4', '5'], 'what was not acknowledged comes again')
  t.match(await app.hub.broadcast('6'), { matched: 1, written: 1 })
  t.match(await resumed.nextJson(), { data: '6' })
  t.ok(log.text.includes('client resumed'))
  t.notOk(log.text.includes(String(bob.greeting['reconnectionToken'])), 'and does not say with what')

  t.same(await resumed.request({ type: 'ping' }), { type: 'pong' })
  await resumed.dropConnection(app)
  t.equal((await connectJson(t, url, { query: resumed.resumeQuery })).id, bob.id)
})

t.test('a client that was resumed and lost before its greeting may try again with its old token', async (t) => {
  const { app, url } = await listen(t)
  const bob = await connectJson(t, url)
  await bob.dropConnection(app)
  await app.hub.broadcast('meanwhile')
  for (const again of [1, 2, 3]) {
    const unheard = dial(t, url, { query: bob.resumeQuery })
    await until(() => app.hub.client(bob.id) !== undefined, `resumption ${again}`)
    unheard.socket.terminate()
    await until(() => app.hub.size === 0)
  }
  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  t.match(await resumed.nextJson(), { data: 'meanwhile' })
})

t.test('a client with a wrong claim has to start over', async (t) => {
  const { app, url } = await listen(t)
  const bob = await connectJson(t, url)
  const other = await connectJson(t, url)
  const plain = await connectJson(t, url, { subprotocol: PLAIN })
  t.notOk('reconnectionToken' in plain.greeting)
  await bob.dropConnection(app)
  const id = `&awps_connection_id=${bob.id}`
  const cases: Array<[string, Parameters<typeof dial>[2]]> = [
    ['no token', { query: id }],
    ['an empty token', { query: `${id}&awps_reconnection_token=` }],
    ['a wrong token', { query: `${id}&awps_reconnection_token=${'x'.repeat(32)}` }],
    ['the token of another connection', { query: `${id}&awps_reconnection_token=${String(other.greeting['reconnectionToken'])}` }],
    ['two tokens', { query: `${bob.resumeQuery}&awps_reconnection_token=x` }],
    ['another connection', { query: bob.resumeQuery.replace(bob.id, other.id) }],
    ['a connection that never was', { query: bob.resumeQuery.replace(bob.id, 'nobody') }],
    ['a connection that cannot be resumed', { query: bob.resumeQuery.replace(bob.id, plain.id) }],
    ['another user', { query: bob.resumeQuery, user: 'mallory', roles: ['admin'] }],
    ['the plain subprotocol', { query: bob.resumeQuery, subprotocol: PLAIN }],
    ['another name of the subprotocol', { query: bob.resumeQuery, subprotocol: 'json.reliable.hub.v1' }],
    ['no subprotocol', { query: bob.resumeQuery, subprotocol: '' }],
    ['the raw subprotocol', { query: bob.resumeQuery, subprotocol: 'hub.raw' }],
    ['an id with a path in it', { query: bob.resumeQuery.replace(bob.id, '..%2F..%2Finbox%2Fbob') }],
    ['an id of 256 characters', { query: bob.resumeQuery.replace(bob.id, '%E4%B8%80'.repeat(256)) }],
    ['an id of 10000 characters', { query: bob.resumeQuery.replace(bob.id, 'x'.repeat(10_000)) }]
  ]
  for (const [title, coming] of cases) t.same(await refusal(dial(t, url, coming)), START_OVER, title)
  t.equal(app.hub.size, 2, 'none of them was let in')

  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  t.equal(resumed.id, bob.id, 'who shows the right thing still goes on')
  t.equal(app.hub.client(other.id)?.isOpen, true)
})

t.test('a lost connection may be resumed within the resume window', async (t) => {
  // The first ping comes in the second half of its period: by then, more than the window has gone by.
  const { app, url } = await listen(t, { websocket: { resumeWindow: '300ms', pingPeriod: '700ms' } })
  const bob = await connectJson(t, url)
  await once(bob.socket, 'ping')
  await bob.dropConnection(app)
  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  t.equal(resumed.id, bob.id, 'it counts from the loss on, not from the beginning')
})

t.test('a client that replaces a connection of its own needs no further connection', async (t) => {
  const { app, url } = await listen(t, { websocket: { maxClientsPerUser: 1 } })
  const bob = await connectJson(t, url)
  const full = { status: 101, code: 1013, reason: 'HUB_USER_FULL: One user may have 1 connections; close one first.' }
  t.same(await refusal(dial(t, url)), full)
  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  t.equal(resumed.id, bob.id)
  t.equal(app.hub.size, 1)
  await resumed.dropConnection(app)
  await connectJson(t, url)
  const late = await refusal(dial(t, url, { query: resumed.resumeQuery }))
  t.same(late, full, 'a client whose connection has gone needs a further one')
})

t.test('a connection that was ended on purpose is not resumed, one that may come back is', async (t) => {
  const { app, url } = await listen(t)
  const end = async (code?: number) => {
    const bob = await connectJson(t, url)
    const closed = bob.closed()
    await app.hub.disconnect({ client: bob.id }, code === undefined ? {} : { code })
    t.match(await bob.nextJson(), { type: 'system', event: 'disconnected' })
    t.match(await closed, { code: code ?? 4000 })
    await until(() => app.hub.size === 0)
    return refusal(dial(t, url, { query: bob.resumeQuery }))
  }
  for (const code of [undefined, 1000, 1008, 4001, 4900]) t.same(await end(code), START_OVER, String(code))

  for (const code of [1001, 1012, 4429]) {
    const bob = await connectJson(t, url)
    await app.hub.disconnect({ client: bob.id }, { code })
    await until(() => app.hub.size === 0)
    const resumed = await connectJson(t, url, { query: bob.resumeQuery })
    t.equal(resumed.id, bob.id, String(code))
    resumed.socket.terminate()
    await until(() => app.hub.size === 0)
  }
})

t.test('a connection whose loss is still unnoticed is replaced by the one that resumes it', async (t) => {
  const { app, url } = await listen(t)
  const told: JsonFrame[] = []
  app.hub.on('open', ({ id }) => told.push({ open: id }))
  app.hub.on('error', ({ id }) => told.push({ error: id }))
  app.hub.on('close', ({ id }, code, reason) => told.push({ close: id, code, reason }))
  const old = await connectJson(t, url)
  const { id } = old
  await app.hub.join(id, 'news')
  const closed = old.closed()
  const resumed = await connectJson(t, url, { query: old.resumeQuery })
  t.match(await closed, { code: 1006 }, 'its socket is cut')
  await until(() => told.length === 3)
  t.same(told, [{ open: id }, { close: id, code: 4001, reason: 'resumed on another connection' }, { open: id }])
  t.equal(app.hub.size, 1)
  t.match(await app.hub.clients({ group: 'news' }), { total: 1, clients: [{ id }] })
  t.match(await app.hub.send({ group: 'news' }, 'once'), { matched: 1, written: 1 })
  t.match(await resumed.nextJson(), { data: 'once' })
  t.same(await resumed.quiet(), [])

  const both = [dial(t, url, { query: resumed.resumeQuery }), dial(t, url, { query: resumed.resumeQuery })]
  await until(() => told.filter((one) => 'close' in one && one['code'] === 4001).length >= 2, 'the next to take over')
  await until(async () => (await app.hub.clients()).clients.every(({ behind }) => !behind))
  t.equal(app.hub.size, 1, 'of two at once, one is left')
  t.equal(both.filter(({ socket }) => socket.readyState < 2).length >= 1, true)
  t.equal(told.filter((one) => 'error' in one).length, 0)
})

t.test('the token is checked again, and what it allows is what counts from then on', async (t) => {
  const { app, url, port } = await listen(t)
  const bob = await connectJson(t, url, { roles: ['webpubsub.joinLeaveGroup'] })
  t.match(await bob.request({ type: 'joinGroup', group: 'news', ackId: 1 }), { success: true })
  await app.hub.join(bob.id, 'by the hub')
  await bob.dropConnection(app)
  const expired = await refusal(dial(t, url, { query: bob.resumeQuery, ttlSeconds: -1 }))
  t.same(expired, { status: 101, code: 1008, reason: 'token expired' }, 'clients would try again with a token that has expired, so they start over with a new one')
  t.match(await refusal(dial(t, url, { ttlSeconds: -1 })), { status: 101, code: 4401 })
  t.equal(app.hub.size, 0)
  const path = `/admin/ws?${bob.resumeQuery.slice(1)}`
  const withoutToken = handshake({ path, headers: { 'Sec-WebSocket-Protocol': RELIABLE } })
  t.match(await rawRequest(port, withoutToken), /^HTTP\/1\.1 401 [^]*HUB_TOKEN_MISSING/)
  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  const refused = await resumed.request({ type: 'joinGroup', group: 'other', ackId: 2 })
  t.match(refused, { success: false, error: { name: 'Forbidden' } })
  t.same(app.hub.client(bob.id)?.groups, ['by the hub'], 'it is only where it still may be')
  t.match(await app.hub.send({ group: 'news' }, 'x'), { matched: 0 })
})

t.test('a device is named in letters that are safe everywhere, or the upgrade is refused', async (t) => {
  const { app, url } = await listen(t)
  for (const device of ['a'.repeat(65), '%20', 'my%20phone', 'ö', '%00', '..%2Fx', 'a/b', 'a,b', '%F0%9F%93%B1', 'x%0A']) {
    for (const subprotocol of ['', PLAIN, RELIABLE]) {
      t.same(await refusal(dial(t, url, { query: `&device=${device}`, subprotocol })), { status: 400, code: 'HUB_REQUEST_INVALID' }, `${device} ${subprotocol}`)
    }
    t.match(await fetch(`${url.replace('ws', 'http').replace('/admin/ws', '/admin/events')}?token=${token()}&device=${device}`), { status: 400 }, `${device} over SSE`)
  }
  t.equal(app.hub.size, 0)
  for (const device of ['', 'a', 'Phone-2:work.v1_b', 'a'.repeat(64)]) {
    t.match((await connectJson(t, url, { query: `&device=${device}` })).greeting, { event: 'connected' }, device)
  }
})

t.test('a refused client that sends no Close frame, or an invalid frame, does not delay close()', async (t) => {
  const { app, port, token } = await listen(t)
  const path = '/admin/ws?awps_connection_id=nobody&awps_reconnection_token=x'
  const refused = await Promise.all(['', 'ffff0102'].map(async (garbage) => {
    const client = await rawConnect({ port, token, path, headers: { 'Sec-WebSocket-Protocol': RELIABLE } })
    t.teardown(() => client.destroy())
    client.send(Buffer.from(garbage, 'hex'))
    t.equal((await client.next()).opcode, OPCODE.close)
    return client
  }))
  t.equal(app.hub.size, 0)
  const ends = refused.map((client) => client.closed())
  const began = performance.now()
  await app.close()
  t.ok(performance.now() - began < 4000, 'sooner than the WebSocket itself would give up')
  await Promise.all(ends)
})
