import t from 'tap'
import { api, connect, GREETING, listen, token, until } from '../../support/helper.ts'
import { frame, OPCODE, rawConnect } from '../../support/raw-client.ts'
import { welcome } from '../../support/json-client.ts'

/** What has become of a message: the status of its users, by name. */
async function fate (origin: string, offset: unknown): Promise<Record<string, string>> {
  const { status, body } = await api(origin, 'GET', `/messages/${String(offset)}`)
  if (status !== 200) return { [String(status)]: String(body['code']) }
  const users = body['users'] as Array<{ user: string, status: string }>
  return Object.fromEntries(users.map(({ user, status }) => [user, status]))
}

t.test('GET /users/:id/inbox says what waits, since when, and how far each device is', async (t) => {
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
  const phone = await welcome(t, url, { user: odd, query: '&device=phone' })
  t.match(await phone.heard(), { data: 'one' })
  phone.say({ type: 'sequenceAck', sequenceId: first.offset })
  const cursors = async () => (await api(origin, 'GET', path)).body['cursors'] as Array<{ device: string, acknowledged: number, at: string }>
  await until(async () => (await cursors())[0]?.acknowledged === first.offset, 'the acknowledgement')
  const [cursor] = await cursors()
  t.match(cursor, { device: 'phone', acknowledged: first.offset })
  const at = Date.parse(cursor?.at ?? '')
  t.ok(at >= before && at <= Date.now(), 'it says when')
  t.match((await api(origin, 'GET', path)).body, { count: 2, oldest: first.offset }, 'a device with a name moves its own place only')

  const desk = await connect(t, url, { user: odd })
  t.same([await desk.next(), await desk.next()], ['one', 'two'])
  await until(async () => (await api(origin, 'GET', path)).body['count'] === 0, 'the acknowledgement')
  t.match((await api(origin, 'GET', path)).body, { oldest: null, cursors: [{ device: '', acknowledged: second }, { device: 'phone', acknowledged: first.offset }] })
})

t.test('DELETE /users/:id/inbox removes what waits', async (t) => {
  const { app, origin, url } = await listen(t)
  const offsets: number[] = []
  for (const n of [1, 2, 3]) offsets.push((await app.hub.send({ user: 'bob' }, `letter ${n}`)).offset)
  const { offset: other } = await app.hub.send({ user: 'alice' }, 'for alice')
  t.match(await api(origin, 'DELETE', '/users/bob/inbox'), { status: 200, body: { purged: 3 } })
  t.match(await api(origin, 'DELETE', '/users/bob/inbox'), { status: 200, body: { purged: 0 } })
  t.match((await api(origin, 'GET', '/users/bob/inbox')).body, { count: 0, oldest: null, dropped: 0 })
  for (const offset of offsets) t.same(await fate(origin, offset), { 404: 'HUB_MESSAGE_NOT_FOUND' })
  t.same(await fate(origin, other), { alice: 'stored' })

  const bob = await connect(t, url, { user: 'bob' })
  await app.hub.send({ user: 'bob' }, 'letter 4')
  t.equal(await bob.next(), 'letter 4')
  await until(async () => (await app.hub.inbox('bob')).count === 0, 'the acknowledgement')
  bob.socket.terminate()
  await until(() => app.hub.size === 0)
  t.match(await api(origin, 'DELETE', '/users/bob/inbox'), { body: { purged: 1 } }, 'what was acknowledged is in the log as well')
  await app.hub.send({ user: 'bob' }, 'letter 5', { ttl: 0.05 })
  await until(async () => (await app.hub.inbox('bob')).count === 0, 'its end')
  t.match((await api(origin, 'GET', '/users/bob/inbox')).body, { dropped: 1 }, 'and losses are counted from then on')
})

t.test('GET /messages/:offset follows a message to a user', async (t) => {
  const { app, origin, port } = await listen(t)
  const before = Date.now()
  const { offset } = await app.hub.send({ user: 'bob' }, 'letter')
  const { status, body } = await api(origin, 'GET', `/messages/${offset}`)
  t.equal(status, 200)
  t.match(body, { offset, address: { user: 'bob' }, users: [{ user: 'bob', status: 'stored' }] })
  const at = Date.parse(String(body['at']))
  t.ok(at >= before && at <= Date.now(), 'it says when')
  t.notOk(JSON.stringify(body).includes('letter'), 'and not what')

  // A client that answers nothing until it is told to.
  const mute = await rawConnect({ port, token: token({ user: 'bob' }) })
  t.teardown(() => mute.destroy())
  t.equal((await mute.next()).payload.toString(), GREETING)
  t.equal((await mute.next()).payload.toString(), 'letter')
  const ping = await mute.next()
  t.equal(ping.opcode, OPCODE.ping)
  t.same(await fate(origin, offset), { bob: 'sent' })
  mute.send(frame({ opcode: OPCODE.pong, payload: ping.payload }))
  await until(async () => (await fate(origin, offset))['bob'] === 'acknowledged', 'the acknowledgement')
  mute.destroy()
  await until(() => app.hub.size === 0)
  t.same(await fate(origin, offset), { bob: 'acknowledged' }, 'also when nobody is here who could say so')
})

t.test('a message that was sent and not acknowledged waits again when its connection is lost', async (t) => {
  const { app, origin, url } = await listen(t)
  const bob = await welcome(t, url)
  const { offset } = await app.hub.send({ user: 'bob' }, 'letter')
  t.match(await bob.heard(), { data: 'letter' })
  t.same(await fate(origin, offset), { bob: 'sent' })
  await bob.lose(app)
  t.same(await fate(origin, offset), { bob: 'stored' })
})

t.test('GET /messages/:offset tells of a message to many how far each user who is connected has got', async (t) => {
  const { app, origin, url } = await listen(t)
  const [bob, alice] = [await welcome(t, url), await welcome(t, url, { user: 'alice' })]
  await connect(t, url, { user: 'carol' })
  await app.hub.join(bob.id, 'news')
  await app.hub.join(alice.id, 'news')
  const { offset: toAll } = await app.hub.broadcast('all')
  const { offset: toGroup } = await app.hub.send({ group: 'news' }, 'group')
  const { offset: toClient } = await app.hub.send({ client: bob.id }, 'client')
  t.same(await fate(origin, toAll), { bob: 'sent', alice: 'sent', carol: 'sent' })
  t.same(await fate(origin, toGroup), { bob: 'sent', alice: 'sent' })
  t.same(await fate(origin, toClient), { bob: 'sent' })
  t.match((await api(origin, 'GET', `/messages/${toAll}`)).body, { address: { all: true } })
  t.match((await api(origin, 'GET', `/messages/${toGroup}`)).body, { address: { group: 'news' } })

  bob.say({ type: 'sequenceAck', sequenceId: toGroup })
  await until(async () => (await fate(origin, toGroup))['bob'] === 'acknowledged', 'the acknowledgement')
  t.same(await fate(origin, toAll), { bob: 'acknowledged', alice: 'sent', carol: 'sent' }, 'and so is all before it')
  t.same(await fate(origin, toClient), { bob: 'sent' }, 'but not what came after')

  const dave = await welcome(t, url, { user: 'dave' })
  await app.hub.join(dave.id, 'news')
  t.same(await fate(origin, toGroup), { bob: 'acknowledged', alice: 'sent' }, 'it is not for those who came later')
  await bob.lose(app)
  t.same(await fate(origin, toClient), {}, 'there is nobody left whom it is for')
})

t.test('GET /messages/:offset does not list a client that except names', async (t) => {
  const { app: { hub }, origin, url } = await listen(t)
  const [bob, alice] = [await welcome(t, url), await welcome(t, url, { user: 'alice' })]
  await hub.join(bob.id, 'news')
  await hub.join(alice.id, 'news')
  await until(async () => (await hub.clients()).clients.every(({ behind }) => !behind), 'being live')
  for (const address of [{ all: true as const }, { group: 'news' }]) {
    const { offset } = await hub.send(address, 'not for bob', { except: [bob.id] })
    t.same(await fate(origin, offset), { alice: 'sent' })
  }
  const tablet = await welcome(t, url)
  const { offset } = await hub.send({ user: 'bob' }, 'for no connection', { except: [bob.id, tablet.id] })
  t.same(await fate(origin, offset), { bob: 'stored' }, 'the inbox of bob has the message, no connection received it')
  const { offset: toTablet } = await hub.send({ user: 'bob' }, 'for the tablet', { except: [bob.id] })
  await until(async () => (await fate(origin, toTablet))['bob'] === 'sent', 'sending to the other connection')
})

t.test('nothing is known of what the log does not have', async (t) => {
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

t.test('a message whose time is over waits for nobody', async (t) => {
  const { app, origin, url } = await listen(t)
  const { offset } = await app.hub.send({ user: 'bob' }, 'short', { ttl: 0.05 })
  await app.hub.send({ user: 'bob' }, 'long', { ttl: 60 })
  await until(async () => (await fate(origin, offset))['bob'] !== 'stored', 'its end')
  t.same(await fate(origin, offset), { bob: 'expired' })
  t.match((await api(origin, 'GET', '/users/bob/inbox')).body, { count: 1, dropped: 1 })
  const bob = await connect(t, url, { user: 'bob' })
  t.equal(await bob.next(), 'long')
})
