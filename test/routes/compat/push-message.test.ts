// What went wrong in pushMessage, one test for each.

import t from 'tap'
import { WebSocket } from 'ws'
import { listen, TestClient, token, until } from '../../support/helper.ts'
import { rawConnect, rawRequest } from '../../support/raw-client.ts'
import { open, serve, take } from './push-message.ts'

t.test('the socket is read: pings and closes get a response, and client messages go to the application', async (t) => {
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

t.test('client messages are discarded without a handler of the application', async (t) => {
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

t.test('a client that is away withholds a broadcast from no other client', async (t) => {
  const service = await serve(t)
  const away = await open(t, service, 'away')
  away.socket.terminate()
  const online = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => open(t, service, id)))
  t.equal(await service.post('/message', 'for all'), 200)
  for (const client of online) t.equal(await client.next(), '"for all"\n')
  t.equal(await (await open(t, service, 'away')).next(), '"for all"\n')
})

t.test('clients may come and go during broadcasts', async (t) => {
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

t.test('only the connections of this endpoint are ended, the user\'s others stay', async (t) => {
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

t.test('a refused request gets a JSON response, and a request must name a valid client', async (t) => {
  const { port, origin } = await serve(t, { websocket: { maxMessageSize: 100 } })
  const answer = await rawRequest(port, 'POST /message HTTP/1.1\r\nHost: x\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n{]}')
  t.match(answer, /^HTTP\/1.1 400 .*content-type: application\/json.*{"message":"message set failed"}$/is)
  t.match(await (await fetch(`${origin}/message`, { method: 'POST', body: `"${'x'.repeat(200)}"` })).json(), { statusCode: 413, code: 'HUB_MESSAGE_TOO_LARGE' })
  t.match(await (await fetch(`${origin}/message`, { method: 'POST', body: '{"n":1e999}' })).json(), { message: 'message set failed' }, 'no number of Go')
  t.match(await (await fetch(`${origin}/message`, { method: 'POST', body: `${'['.repeat(60)}1` })).json(), { message: 'message set failed' })
  const nameless = await rawRequest(port, 'GET /getPushNews HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n')
  t.match(nameless, /^HTTP\/1.1 400 .*HUB_REQUEST_INVALID/s)
})

t.test('only operators destroy mailboxes where the endpoint requires tokens', async (t) => {
  const { origin } = await listen(t, { compat: { pushMessage: 'token' } })
  const destroy = async (path: string, by?: string) => (await fetch(`${origin}${path}`, { method: 'DELETE', headers: by === undefined ? {} : { authorization: `Bearer ${by}` } })).status
  for (const path of ['/client/alice', '/deleteClient/alice']) {
    t.equal(await destroy(path), 401)
    t.equal(await destroy(path, token({ user: 'alice' })), 403)
    t.equal(await destroy(path, token({ user: 'operator', roles: ['admin'] })), path === '/client/alice' ? 404 : 200)
  }
})
