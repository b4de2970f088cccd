import t from 'tap'
import { api, connect, GREETING, listen, token, until } from '../../support/helper.ts'
import { frame, OPCODE, rawConnect } from '../../support/raw-client.ts'
import { connectJson } from '../../support/json-client.ts'
import { testFolder } from '../../support/test-folder.ts'

/** Returns the message status of each user, by user id. */
async function statusesOf (origin: string, offset: unknown): Promise<Record<string, string>> {
  const { status, body } = await api(origin, 'GET', `/messages/${String(offset)}`)
  if (status !== 200) return { [String(status)]: String(body['code']) }
  const users = body['users'] as Array<{ user: string, status: string }>
  return Object.fromEntries(users.map(({ user, status }) => [user, status]))
}

t.test('GET /users/:id/inbox has the number of messages, the oldest offset, and the position of each device', async (t) => {
  const { app, origin, url } = await listen(t)
  t.same((await api(origin, 'GET', '/users/nobody/inbox')).body, { user: 'nobody', count: 0, oldest: null, dropped: 0, cursors: [] })

  const odd = 'bob/ö ?#%'
  const path = `/users/${encodeURIComponent(odd)}/inbox`
  const first = await app.hub.send({ user: odd }, 'one')
  const { offset: second } = await app.hub.send({ user: odd }, 'two')
  await app.hub.broadcast('for everyone')
  await app.hub.send({ user: odd }, 'not for the log', { keep: false })
  t.same((await api(origin, 'GET', path)).body, { user: odd, count: 2, oldest: first.offset, dropped: 0, cursors: [] })

  const before = Date.now()
  const phone = await connectJson(t, url, { user: odd, query: '&device=phone' })
  t.match(await phone.nextJson(), { data: 'one' })
  phone.sendJson({ type: 'sequenceAck', sequenceId: first.offset })
  const cursors = async () => (await api(origin, 'GET', path)).body['cursors'] as Array<{ device: string, acknowledged: number, at: string }>
  await until(async () => (await cursors())[0]?.acknowledged === first.offset, 'the acknowledgement')
  const [cursor] = await cursors()
  t.match(cursor, { device: 'phone', acknowledged: first.offset })
  const at = Date.parse(cursor?.at ?? '')
  t.ok(at >= before && at <= Date.now(), 'the time of the acknowledgement')
  const { body } = await api(origin, 'GET', path)
  t.match(body, { count: 2, oldest: first.offset }, 'a named device moves only its own durable cursor')

  const desk = await connect(t, url, { user: odd })
  t.same([await desk.next(), await desk.next()], ['one', 'two'])
  await until(async () => (await api(origin, 'GET', path)).body['count'] === 0, 'the acknowledgement')
  t.match((await api(origin, 'GET', path)).body, { oldest: null, cursors: [{ device: '', acknowledged: second }, { device: 'phone', acknowledged: first.offset }] })
})

t.test('DELETE /users/:id/inbox removes the messages of the inbox', async (t) => {
  const { app, origin, url } = await listen(t)
  const offsets: number[] = []
  for (const n of [1, 2, 3]) offsets.push((await app.hub.send({ user: 'bob' }, `message ${n}`)).offset)
  const { offset: other } = await app.hub.send({ user: 'alice' }, 'for alice')
  t.match(await api(origin, 'DELETE', '/users/bob/inbox'), { status: 200, body: { purged: 3 } })
  t.match(await api(origin, 'DELETE', '/users/bob/inbox'), { status: 200, body: { purged: 0 } })
  t.match((await api(origin, 'GET', '/users/bob/inbox')).body, { count: 0, oldest: null, dropped: 0 })
  for (const offset of offsets) t.same(await statusesOf(origin, offset), { 404: 'HUB_MESSAGE_NOT_FOUND' })
  t.same(await statusesOf(origin, other), { alice: 'stored' })

  const bob = await connect(t, url, { user: 'bob' })
  await app.hub.send({ user: 'bob' }, 'message 4')
  t.equal(await bob.next(), 'message 4')
  await until(async () => (await app.hub.inbox('bob')).count === 0, 'the acknowledgement')
  bob.socket.terminate()
  await until(() => app.hub.size === 0)
  const { body } = await api(origin, 'DELETE', '/users/bob/inbox')
  t.match(body, { purged: 1 }, 'acknowledged messages are removed from the log too')
  await app.hub.send({ user: 'bob' }, 'message 5', { ttl: 0.05 })
  await until(async () => (await app.hub.inbox('bob')).count === 0, 'the expiry')
  t.match((await api(origin, 'GET', '/users/bob/inbox')).body, { dropped: 1 }, 'dropped counts from the purge on')
})

t.test('GET /messages/:offset follows the status of a message to a user', async (t) => {
  const { app, origin, port } = await listen(t)
  const before = Date.now()
  const { offset } = await app.hub.send({ user: 'bob' }, 'private text')
  const { status, body } = await api(origin, 'GET', `/messages/${offset}`)
  t.equal(status, 200)
  t.match(body, { offset, address: { user: 'bob' }, users: [{ user: 'bob', status: 'stored' }] })
  const at = Date.parse(String(body['at']))
  t.ok(at >= before && at <= Date.now(), 'the time of the message')
  t.notOk(JSON.stringify(body).includes('private text'), 'without its payload')

  // A client that sends no pong by itself.
  const mute = await rawConnect({ port, token: token({ user: 'bob' }) })
  t.teardown(() => mute.destroy())
  t.equal((await mute.next()).payload.toString(), GREETING)
  t.equal((await mute.next()).payload.toString(), 'private text')
  const ping = await mute.next()
  t.equal(ping.opcode, OPCODE.ping)
  t.same(await statusesOf(origin, offset), { bob: 'sent' })
  mute.send(frame({ opcode: OPCODE.pong, payload: ping.payload }))
  await until(async () => (await statusesOf(origin, offset))['bob'] === 'acknowledged', 'the acknowledgement')
  mute.destroy()
  await until(() => app.hub.size === 0)
  t.same(await statusesOf(origin, offset), { bob: 'acknowledged' }, 'also after the end of the connection')
})

t.test('a message that was sent but not acknowledged is stored again when its connection is lost', async (t) => {
  const { app, origin, url } = await listen(t)
  const bob = await connectJson(t, url)
  const { offset } = await app.hub.send({ user: 'bob' }, 'message')
  t.match(await bob.nextJson(), { data: 'message' })
  t.same(await statusesOf(origin, offset), { bob: 'sent' })
  await bob.dropConnection(app)
  t.same(await statusesOf(origin, offset), { bob: 'stored' })
})

t.test('GET /messages/:offset has the status of each connected user for a message to many users', async (t) => {
  const { app, origin, url } = await listen(t)
  const [bob, alice] = [await connectJson(t, url), await connectJson(t, url, { user: 'alice' })]
  await connect(t, url, { user: 'carol' })
  await app.hub.join(bob.id, 'news')
  await app.hub.join(alice.id, 'news')
  const { offset: toAll } = await app.hub.broadcast('all')
  const { offset: toGroup } = await app.hub.send({ group: 'news' }, 'group')
  const { offset: toClient } = await app.hub.send({ client: bob.id }, 'client')
  t.same(await statusesOf(origin, toAll), { bob: 'sent', alice: 'sent', carol: 'sent' })
  t.same(await statusesOf(origin, toGroup), { bob: 'sent', alice: 'sent' })
  t.same(await statusesOf(origin, toClient), { bob: 'sent' })
  t.match((await api(origin, 'GET', `/messages/${toAll}`)).body, { address: { all: true } })
  t.match((await api(origin, 'GET', `/messages/${toGroup}`)).body, { address: { group: 'news' } })

  bob.sendJson({ type: 'sequenceAck', sequenceId: toGroup })
  await until(async () => (await statusesOf(origin, toGroup))['bob'] === 'acknowledged', 'the acknowledgement')
  const earlier = await statusesOf(origin, toAll)
  t.same(earlier, { bob: 'acknowledged', alice: 'sent', carol: 'sent' }, 'earlier messages are acknowledged too')
  t.same(await statusesOf(origin, toClient), { bob: 'sent' }, 'later messages are not acknowledged')

  const dave = await connectJson(t, url, { user: 'dave' })
  await app.hub.join(dave.id, 'news')
  t.same(await statusesOf(origin, toGroup), { bob: 'acknowledged', alice: 'sent' }, 'a later member is not listed')
  await bob.dropConnection(app)
  t.same(await statusesOf(origin, toClient), {}, 'no recipient is connected')
})

t.test('GET /messages/:offset does not list a client that except excludes', async (t) => {
  const { app: { hub }, origin, url } = await listen(t)
  const [bob, alice] = [await connectJson(t, url), await connectJson(t, url, { user: 'alice' })]
  await hub.join(bob.id, 'news')
  await hub.join(alice.id, 'news')
  await until(async () => (await hub.clients()).clients.every(({ behind }) => !behind), 'being live')
  for (const address of [{ all: true as const }, { group: 'news' }]) {
    const { offset } = await hub.send(address, 'not for bob', { except: [bob.id] })
    t.same(await statusesOf(origin, offset), { alice: 'sent' })
  }
  const tablet = await connectJson(t, url)
  const { offset } = await hub.send({ user: 'bob' }, 'for no connection', { except: [bob.id, tablet.id] })
  const inInbox = await statusesOf(origin, offset)
  t.same(inInbox, { bob: 'stored' }, 'the inbox of bob has the message, no connection received it')
  const { offset: toTablet } = await hub.send({ user: 'bob' }, 'for the tablet', { except: [bob.id] })
  await until(async () => (await statusesOf(origin, toTablet))['bob'] === 'sent', 'sending to the other connection')
})

t.test('a message that is not in the log has no status', async (t) => {
  const { app, origin } = await listen(t)
  const { offset } = await app.hub.send({ user: 'bob' }, 'x', { keep: false })
  const gone = { status: 404, body: { code: 'HUB_MESSAGE_NOT_FOUND' } }
  t.match(await api(origin, 'GET', `/messages/${offset}`), gone)
  t.match(await api(origin, 'GET', '/messages/1'), gone)
  t.match(await api(origin, 'GET', `/messages/${Number.MAX_SAFE_INTEGER}`), gone)
  for (const bad of ['0', '-1', 'x', '9007199254740992', '']) {
    t.match(await api(origin, 'GET', `/messages/${bad}`), { status: 400, body: { code: 'HUB_REQUEST_INVALID' } }, bad)
  }
  for (const method of ['GET', 'DELETE']) t.match(await api(origin, method, '/users//inbox'), { status: 400, body: { code: 'HUB_REQUEST_INVALID' } }, method)
})

t.test('an expired message is not delivered', async (t) => {
  const { app, origin, url } = await listen(t)
  const { offset } = await app.hub.send({ user: 'bob' }, 'short', { ttl: 0.05 })
  await app.hub.send({ user: 'bob' }, 'long', { ttl: 60 })
  await until(async () => (await statusesOf(origin, offset))['bob'] !== 'stored', 'the expiry')
  t.same(await statusesOf(origin, offset), { bob: 'expired' })
  t.match((await api(origin, 'GET', '/users/bob/inbox')).body, { count: 1, dropped: 1 })
  const bob = await connect(t, url, { user: 'bob' })
  t.equal(await bob.next(), 'long')
})

t.test('the longest ids work in every route and over a restart, whatever characters they have', async (t) => {
  const engine = { kind: 'file', path: `${testFolder(t)}/log` } as const
  const ids = ['\uFFFF'.repeat(256), '😀'.repeat(128), '%'.repeat(256), '/'.repeat(256), '\0'.repeat(256)]
  const first = await listen(t, { engine })
  const pathOf = (kind: string, id: string) => `/${kind}/${encodeURIComponent(id)}`
  const statuses = await Promise.all(ids.map(async (id) => [
    (await api(first.origin, 'PUT', `${pathOf('users', id)}${pathOf('groups', id)}`)).status,
    (await api(first.origin, 'POST', `${pathOf('users', id)}/messages`, { message: 'to the user', key: id })).status,
    (await api(first.origin, 'POST', `${pathOf('groups', id)}/messages`, { message: 'nobody is there' })).status
  ]))
  t.same(statuses, ids.map(() => [200, 202, 202]))
  await first.app.close()

  const { origin, app } = await listen(t, { engine })
  const received = await Promise.all(ids.map(async (id) => {
    const client = await connectJson(t, origin.replace('http', 'ws') + '/admin/ws', { user: id, query: `&device=${'d'.repeat(64)}` })
    const message = (await client.nextJson())['data']
    await until(() => app.hub.localClients({ group: id }).length === 1, 'the group')
    const { body } = await api(origin, 'GET', `${pathOf('users', id)}/inbox`)
    return [message, body['count'], (await api(origin, 'GET', `/clients?user=${encodeURIComponent(id)}`)).body['total']]
  }))
  t.same(received, ids.map(() => ['to the user', 1, 1]))
})
