// What went wrong in pushMessage, one test for each.

import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { ConfigInput } from '../../services/config/schema.ts'
import { listen, TestClient, token, until } from '../helper.ts'
import { frame, handshake, OPCODE, rawConnect, rawRequest } from '../raw-client.ts'

type Service = Awaited<ReturnType<typeof serve>>

async function serve (t: Test, config: ConfigInput = {}) {
  const service = await listen(t, { ...config, compat: { pushMessage: 'open' } })
  const post = async (path: string, value: unknown): Promise<number> => (await fetch(service.origin + path, { method: 'POST', body: JSON.stringify(value) })).status
  const destroy = async (id: string): Promise<number> => (await fetch(`${service.origin}/client/${id}`, { method: 'DELETE' })).status
  return { ...service, post, destroy }
}

async function open (t: Test, { origin }: Pick<Service, 'origin'>, id: string): Promise<TestClient> {
  const client = new TestClient(new WebSocket(`${origin.replace('http', 'ws')}/client/${id}`))
  t.teardown(() => client.socket.terminate())
  await once(client.socket, 'open')
  return client
}

async function take (client: TestClient, count: number): Promise<unknown[]> {
  const values: unknown[] = []
  while (values.length < count) values.push(JSON.parse(String(await client.next())))
  return values
}

t.test('the socket is read: pings and closes are answered, and what clients say is the application\'s', async (t) => {
  const service = await serve(t)
  const { hub } = service.app
  const heard: string[] = []
  hub.onMessage((_client, data) => { heard.push(String(data)) })
  const alice = await open(t, service, 'alice')
  alice.send('hello')
  t.same(await alice.quiet(), [], 'nobody echoes it')
  t.same(heard, ['hello'])
  const closed = new Promise((resolve) => hub.on('close', (client, code) => resolve([client.identity.user, code])))
  alice.socket.close(1000, 'bye')
  t.match(await alice.closed(), { code: 1000 })
  t.same(await closed, ['alice', 1000])
})

t.test('what clients say is thrown away while nobody takes it', async (t) => {
  const service = await serve(t, { websocket: { messagesPerSecond: 0 } })
  const alice = await open(t, service, 'alice')
  for (let n = 0; n < 1000; n++) alice.send('x'.repeat(1000))
  t.same(await alice.quiet(), [])
  t.equal(await service.post('/message/alice', 'still here'), 200)
  t.equal(await alice.next(), '"still here"\n')
})

t.test('nothing is lost in a connection that died silently, and the order stays', async (t) => {
  const service = await serve(t)
  // It reads nothing and answers nothing, as a machine without power.
  const dead = await rawConnect({ port: service.port, path: '/client/alice' })
  dead.pause()
  for (let n = 0; n < 6; n++) t.equal(await service.post(n % 2 === 0 ? '/message/alice' : '/message', n), 200)
  dead.destroy()
  await until(() => service.app.hub.size === 0)
  t.same(await take(await open(t, service, 'alice'), 6), [0, 1, 2, 3, 4, 5])
})

t.test('a mailbox with waiting messages can be destroyed', async (t) => {
  const service = await serve(t)
  const alice = await open(t, service, 'alice')
  alice.socket.terminate()
  await until(() => service.app.hub.size === 0)
  for (let n = 0; n < 3; n++) t.equal(await service.post('/message/alice', n), 200)
  t.equal(await service.destroy('alice'), 404, 'not online')
  t.equal(await service.post('/message/alice', 'nobody'), 404)
  const again = await open(t, service, 'alice')
  t.same(await again.quiet(), [], 'a new mailbox is empty')
  t.equal(await service.post('/message/alice', 'news'), 200)
  t.equal(await again.next(), '"news"\n')
})

t.test('a mailbox stays destroyed, although its reader says once more what it has read', async (t) => {
  const service = await serve(t)
  const alice = await rawConnect({ port: service.port, path: '/client/alice' })
  t.teardown(() => alice.destroy())
  t.equal(await service.post('/message/alice', 'news'), 200)
  t.equal((await alice.next()).opcode, OPCODE.text)
  const question = await alice.next()
  t.equal(question.opcode, OPCODE.ping)
  const destroyed = service.destroy('alice')
  alice.send(frame({ opcode: OPCODE.pong, payload: question.payload }))
  t.equal(await destroyed, 200)
  alice.destroy()
  await until(() => service.app.hub.size === 0)
  t.equal(await service.post('/message/alice', 'nobody'), 404)
})

t.test('somebody who is away keeps a message to everyone from nobody', async (t) => {
  const service = await serve(t)
  const away = await open(t, service, 'away')
  away.socket.terminate()
  const online = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => open(t, service, id)))
  t.equal(await service.post('/message', 'for all'), 200)
  for (const client of online) t.equal(await client.next(), '"for all"\n')
  t.equal(await (await open(t, service, 'away')).next(), '"for all"\n')
})

t.test('clients may come and go while something is said to everyone', async (t) => {
  const service = await serve(t)
  let isOver = false
  const churn = async (id: string): Promise<void> => {
    while (!isOver) (await open(t, service, id)).socket.terminate()
  }
  const churning = ['a', 'b', 'c'].map(churn)
  const stays = await open(t, service, 'stays')
  for (let n = 0; n < 100; n++) t.equal(await service.post('/message', n), 200)
  isOver = true
  await Promise.all(churning)
  t.same(await take(stays, 100), Array.from({ length: 100 }, (_, n) => n))
})

t.test('connections of the same id get all messages, each of them, and do not end each other', async (t) => {
  const service = await serve(t)
  const [older, newer] = [await open(t, service, 'alice'), await open(t, service, 'alice')]
  for (let n = 0; n < 4; n++) await service.post('/message/alice', n)
  for (const client of [older, newer]) t.same(await take(client, 4), [0, 1, 2, 3])
  older.socket.terminate()
  await until(() => service.app.hub.size === 1)
  await service.post('/message/alice', 'for the one that is left')
  t.equal(await newer.next(), '"for the one that is left"\n')
  const second = await open(t, service, 'alice')
  const ends = [newer.closed(), second.closed()]
  t.equal(await service.destroy('alice'), 200)
  t.match(await Promise.all(ends), [{ code: 4000 }, { code: 4000 }])
})

t.test('only the connections of this door are ended, the user\'s others stay', async (t) => {
  const service = await serve(t)
  const phone = new TestClient(new WebSocket(`${service.url}?token=${service.token}`))
  t.teardown(() => phone.socket.terminate())
  await phone.next()
  const alice = await open(t, service, 'alice')
  const ended = alice.closed()
  t.equal(await service.destroy('alice'), 200)
  t.match(await ended, { code: 4000 })
  t.same(await phone.quiet(), [])
})

t.test('a mailbox is bounded: the oldest messages leave, and the rest comes in order', async (t) => {
  const service = await serve(t, { inbox: { maxCount: 5 } })
  const alice = await open(t, service, 'alice')
  alice.socket.terminate()
  await until(() => service.app.hub.size === 0)
  for (let n = 0; n < 12; n++) await service.post('/message/alice', n)
  t.same(await take(await open(t, service, 'alice'), 5), [7, 8, 9, 10, 11])
})

t.test('mailboxes and what waits in them outlive the service', async (t) => {
  const path = t.testdir({})
  const config: ConfigInput = { engine: { kind: 'lmdb', path } }
  const before = await serve(t, config)
  const alice = await open(t, before, 'alice')
  await before.post('/message/alice', 'read')
  t.equal(await alice.next(), '"read"\n')
  await alice.quiet()
  alice.socket.terminate()
  await until(() => before.app.hub.size === 0)
  await before.post('/message/alice', 'one')
  await before.post('/message', 'two')
  await before.app.close()

  const after = await serve(t, config)
  t.equal(await after.post('/message/alice', 'three'), 200, 'it is there before its client is')
  const again = await open(t, after, 'alice')
  t.same(await take(again, 3), ['one', 'two', 'three'])
  t.same(await again.quiet(), [])
})

t.test('the mailbox is there before the connection is: a push in that moment finds it', async (t) => {
  const service = await serve(t)
  for (const id of ['a', 'b', 'c']) {
    const client = await rawConnect({ port: service.port, path: `/client/${id}` })
    t.teardown(() => client.destroy())
    t.equal(await service.post(`/message/${id}`, 'at once'), 200)
  }
})

t.test('a request that is refused says so as JSON, and names a client that can be named', async (t) => {
  const { port, origin } = await serve(t, { websocket: { maxMessageSize: 100 } })
  const answer = await rawRequest(port, 'POST /message HTTP/1.1\r\nHost: x\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n{]}')
  t.match(answer, /^HTTP\/1.1 400 .*content-type: application\/json.*{"message":"message set failed"}$/is)
  t.match(await (await fetch(`${origin}/message`, { method: 'POST', body: `"${'x'.repeat(200)}"` })).json(), { statusCode: 413, code: 'HUB_MESSAGE_TOO_LARGE' })
  t.match(await (await fetch(`${origin}/message`, { method: 'POST', body: '{"n":1e999}' })).json(), { message: 'message set failed' }, 'no number of Go')
  t.match(await (await fetch(`${origin}/message`, { method: 'POST', body: `${'['.repeat(60)}1` })).json(), { message: 'message set failed' })
  const nameless = await rawRequest(port, 'GET /getPushNews HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n')
  t.match(nameless, /^HTTP\/1.1 400 .*HUB_REQUEST_INVALID/s)
})

t.test('what waits in a mailbox is counted, and mailboxes have a limit', async (t) => {
  const service = await serve(t, { inbox: { maxMailboxes: 2 } })
  const { hub } = service.app
  await hub.send({ user: 'alice' }, 'before there was a mailbox')
  const alice = await open(t, service, 'alice')
  for (let n = 0; n < 12; n++) await service.post('/message/alice', n)
  await take(alice, 12)
  await until(async () => (await hub.inbox('alice')).count === 0, 'all is acknowledged')
  t.match(await hub.inbox('alice'), { count: 0, dropped: 0, cursors: [{ device: '(mailbox)' }] })
  alice.socket.terminate()
  await until(() => hub.size === 0)
  await service.post('/message/alice', 'waits')
  t.match(await hub.inbox('alice'), { count: 1, dropped: 0 })

  await open(t, service, 'bob')
  const refused = await rawRequest(service.port, handshake({ path: '/client/carol' }))
  t.match(refused, /^HTTP\/1\.1 503 .*HUB_FULL/s)
  t.equal(await (await open(t, service, 'alice')).next(), '"waits"\n', 'who has one may come')
  t.equal(await service.destroy('bob'), 200)
  await open(t, service, 'carol')
})

t.test('who is refused has made no mailbox', async (t) => {
  const service = await serve(t, { websocket: { maxClients: 1 } })
  await open(t, service, 'alice')
  t.match(await rawRequest(service.port, handshake({ path: '/client/bob' })), /^HTTP\/1\.1 503 .*HUB_FULL/s)
  t.equal(await service.post('/message/bob', 'nobody'), 404)
})

t.test('only operators destroy mailboxes where the door asks for tokens', async (t) => {
  const { origin } = await listen(t, { compat: { pushMessage: 'token' } })
  const destroy = async (path: string, by?: string) => (await fetch(`${origin}${path}`, { method: 'DELETE', headers: by === undefined ? {} : { authorization: `Bearer ${by}` } })).status
  for (const path of ['/client/alice', '/deleteClient/alice']) {
    t.equal(await destroy(path), 401)
    t.equal(await destroy(path, token({ user: 'alice' })), 403)
    t.equal(await destroy(path, token({ user: 'operator', roles: ['admin'] })), path === '/client/alice' ? 404 : 200)
  }
})

t.test('what a lossy policy drops for a slow reader is not lost to the mailbox', async (t) => {
  const service = await serve(t, { websocket: { slowClient: 'dropOldest', maxQueueSize: 70_000, writeReadBufferSize: 1024 } })
  const slow = await rawConnect({ port: service.port, path: '/client/alice' })
  t.teardown(() => slow.destroy())
  slow.pause()
  const { hub } = service.app
  const text = 'x'.repeat(30_000)
  let sent = 0
  for (; hub.counters.dropped === 0; sent++) await hub.broadcast(`${sent} ${text}`)
  slow.resume()
  // It reads on, and answers whatever it is asked.
  const heard: number[] = []
  while (heard.at(-1) !== sent - 1) {
    const { opcode, payload } = await slow.next()
    if (opcode === OPCODE.ping) slow.send(frame({ opcode: OPCODE.pong, payload }))
    else heard.push(parseInt(payload.toString().slice(1)))
  }
  const lost = Array.from({ length: sent }, (_, n) => n).find((n) => !heard.includes(n))
  t.ok(lost !== undefined, 'something was dropped')
  const left = new Promise((resolve) => hub.on('close', resolve))
  slow.destroy()
  await left
  const again = await open(t, service, 'alice')
  const first = parseInt(String(await again.next()).slice(1))
  t.ok(first <= (lost ?? 0), 'the first that was dropped comes when its reader comes back')
})
