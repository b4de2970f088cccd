import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { WebSocket } from 'ws'
import { HubError, type Client } from '../../../index.ts'
import { connect, ECHO, GREETING, listen, TestClient, token, until } from '../../support/helper.ts'

t.test('greets first, before any broadcast', async (t) => {
  const { app, url } = await listen(t)
  // A broadcast in the very moment of opening must come second.
  app.hub.on('open', () => app.hub.broadcast('news'))
  const client = new TestClient(new WebSocket(`${url}?token=${token()}`))
  t.teardown(() => client.socket.terminate())
  t.equal(await client.next(), GREETING)
  t.equal(await client.next(), 'news')
})

t.test('a connection does not keep the request that it began with', async (t) => {
  const { app, url } = await listen(t)
  const requests: Array<WeakRef<object>> = []
  app.websocketServer.on('connection', (_socket: WebSocket, request: object) => requests.push(new WeakRef(request)))
  const client = await connect(t, url)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await until(() => { collect(); return requests.length === 1 && requests[0]?.deref() === undefined }, 'the request is collected')
  client.send('still here')
  t.equal(await client.next(), `${ECHO}still here`)
})

t.test('answers with the same frame type, a prefix and what came', async (t) => {
  const { url } = await listen(t)
  const client = await connect(t, url)
  client.send('héllo ☃')
  t.equal(await client.next(), `${ECHO}héllo ☃`)
  client.send('')
  t.equal(await client.next(), ECHO)
  client.send(Buffer.from([0, 255]))
  t.same(await client.next(), Buffer.concat([Buffer.from(ECHO), Buffer.from([0, 255])]))
})

t.test('hands messages over one after another, in order, whatever each takes', async (t) => {
  const { app, url } = await listen(t, { websocket: { messagesPerSecond: 0 } })
  let running = 0
  const overlapping: string[] = []
  app.hub.onMessage(async (client, data) => {
    if (running++ > 0) overlapping.push(String(data))
    if (Number(data) % 10 === 0) await sleep(1)
    running--
    client.reply(`done ${String(data)}`)
  })
  const client = await connect(t, url)
  for (let n = 0; n < 200; n++) client.send(String(n))
  const answers: unknown[] = []
  while (answers.length < 200) answers.push(await client.next())
  t.same(answers, Array.from({ length: 200 }, (_, n) => `done ${n}`))
  t.same(overlapping, [], 'never two at a time')
})

t.test('emits open, then error at most once, then close exactly once and last', async (t) => {
  const { app, url } = await listen(t)
  const told: string[] = []
  app.hub.on('open', () => told.push('open'))
  app.hub.onMessage(async (_client, data) => { await sleep(5); told.push(`message ${String(data)}`) })
  app.hub.on('error', (_client, error) => told.push(`error ${error.message}`))
  app.hub.on('close', (_client, code, reason) => told.push(`close ${code} ${reason}`))
  const lastTold = () => told.at(-1)?.startsWith('close') === true

  await t.test('for a clean close, without error', async (t) => {
    const client = await connect(t, url)
    client.send('a')
    client.send('b')
    client.socket.close(1000, 'bye')
    await until(lastTold)
    t.same(told.splice(0), ['open', 'message a', 'message b', 'close 1000 bye'])
  })
  await t.test('for a lost connection', async (t) => {
    const client = await connect(t, url)
    client.socket.terminate()
    await until(lastTold)
    t.same(told.splice(0), ['open', 'error connection lost', 'close 1006 '])
  })
  await t.test('for a protocol error, with its code', async (t) => {
    const client = await connect(t, url)
    client.socket.send(Buffer.from([0xff]), { binary: false })
    t.equal((await client.closed()).code, 1007)
    await until(lastTold)
    t.match(told.splice(0), ['open', /^error Invalid WebSocket frame/, 'close 1007 '])
  })
  await t.test('for a connection that the hub ends', async (t) => {
    const client = await connect(t, url)
    const closed = client.closed()
    t.equal(await app.hub.disconnect({ user: 'alice' }, { code: 4321, reason: 'enough' }), 1)
    t.same(await closed, { code: 4321, reason: 'enough' })
    await until(lastTold)
    t.same(told.splice(0), ['open', 'close 4321 enough'])
  })
})

t.test('a handler that throws or rejects affects no other message and no other client', async (t) => {
  const { app, url, log } = await listen(t)
  app.hub.on('open', () => { throw new Error('open failed') })
  app.hub.on('close', async () => { throw new Error('close failed') })
  app.hub.onMessage((client, data) => {
    if (data === 'throw') throw new Error('thrown at once')
    if (data === 'nasty') throw Object.defineProperty(new Error('nasty'), 'stack', { get () { throw new Error('do not look') } })
    if (data === 'nasty later') return Promise.reject(Object.defineProperty(new Error('nasty'), 'x', { enumerable: true, get () { throw new Error('do not look') } }))
    if (data === 'reject') return Promise.reject(new Error('rejected later'))
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- applications do such things
    if (data === 'nothing') return Promise.reject(undefined)
    client.reply('alive')
  })
  const [one, other] = [await connect(t, url), await connect(t, url)]
  for (const bad of ['throw', 'reject', 'nothing', 'nasty', 'nasty later']) one.send(bad)
  one.send('ok')
  t.equal(await one.next(), 'alive')
  other.send('ok')
  t.equal(await other.next(), 'alive')
  one.socket.close()
  await until(() => app.hub.size === 1)
  await until(() => log.text.includes('close failed'))
  for (const message of ['open failed', 'thrown at once', 'rejected later', 'with something that cannot be logged']) t.ok(log.text.includes(message), `the log says "${message}"`)
})

t.test('a message that is too large ends its connection with 1009, invalid text with 1007', async (t) => {
  const { url } = await listen(t, { websocket: { maxMessageSize: 1000 } })
  const healthy = await connect(t, url)
  const large = await connect(t, url)
  large.send('x'.repeat(1000))
  t.equal(await large.next(), ECHO + 'x'.repeat(1000))
  large.send('x'.repeat(1001))
  t.equal((await large.closed()).code, 1009)
  healthy.send('still here')
  t.equal(await healthy.next(), `${ECHO}still here`)
})

t.test('a client that sends too many messages is closed with 4429', async (t) => {
  const { url } = await listen(t, { websocket: { messagesPerSecond: 5 } })
  const [calm, loud] = [await connect(t, url), await connect(t, url)]
  for (let n = 0; n < 6; n++) loud.send('!')
  t.same(await loud.closed(), { code: 4429, reason: 'too many messages' })
  for (let n = 0; n < 5; n++) {
    calm.send('.')
    t.equal(await calm.next(), `${ECHO}.`)
  }
})

t.test('a token that runs out while connected ends the connection with 4401', async (t) => {
  const { url } = await listen(t)
  const client = await connect(t, url, { ttlSeconds: 2 })
  t.same(await client.closed(), { code: 4401, reason: 'token expired' })
})

t.test('keeps what the application hangs on a connection', async (t) => {
  const { app, url } = await listen(t)
  const params = (client: Client) => client.params as Record<string, unknown>
  app.hub.on('open', (client) => { params(client)['tenant'] = 'acme' })
  app.hub.onMessage((client) => client.reply(String(params(client)['tenant'])))
  const client = await connect(t, url)
  client.send('who am I')
  t.equal(await client.next(), 'acme')
})

t.test('lets clients call actions by name, with data that fits', async (t) => {
  const { app, url, log } = await listen(t)
  app.hub.action('sum', Type.Array(Type.Number()), (numbers) => numbers.reduce((total, number) => total + number, 0))
  app.hub.action('whoami', Type.Undefined(), (_data, client) => client.identity.user)
  app.hub.action('fail', Type.Unknown(), async () => { throw new Error('with a secret inside') })
  app.hub.action('refuse', Type.Unknown(), () => { throw new HubError('HUB_FORBIDDEN', 'not you') })
  t.throws(() => app.hub.action('sum', Type.Null(), () => null), /exists already/)

  app.hub.action('huge', Type.Unknown(), () => 1n)
  const client = await connect(t, url)
  const call = async (frame: unknown) => { client.send(JSON.stringify(frame)); return JSON.parse(String(await client.next())) as unknown }
  t.same(await call({ action: 'sum', data: [1, 2], id: 'a' }), { action: 'sum', id: 'a', ok: true, data: 3 })
  t.same(await call({ action: 'whoami' }), { action: 'whoami', ok: true, data: 'alice' })
  t.match(await call({ action: 'sum', data: [1, 'x'], id: 2 }), { action: 'sum', id: 2, ok: false, error: { code: 'HUB_REQUEST_INVALID', message: /^data\/1: / } })
  t.same(await call({ action: 'fail' }), { action: 'fail', ok: false, error: { code: 'HUB_INTERNAL', message: 'The action failed.' } })
  t.same(await call({ action: 'refuse' }), { action: 'refuse', ok: false, error: { code: 'HUB_FORBIDDEN', message: 'not you' } })
  t.match(await call({ action: 'huge' }), { action: 'huge', ok: false, error: { code: 'HUB_INTERNAL' } }, 'an answer that cannot be said')
  t.ok(log.text.includes('with a secret inside'), 'the log knows what the client must not')
  client.send('{"action":"unknown"}')
  t.equal(await client.next(), `${ECHO}{"action":"unknown"}`, 'what names no action is a message')
})

t.test('a message that came with the handshake is not lost', async (t) => {
  const { app, url } = await listen(t)
  app.hub.on('open', () => sleep(20))
  const socket = new WebSocket(`${url}?token=${token()}`)
  t.teardown(() => socket.terminate())
  const client = new TestClient(socket)
  socket.once('open', () => socket.send('early'))
  await once(socket, 'open')
  t.equal(await client.next(), GREETING)
  t.equal(await client.next(), `${ECHO}early`)
})
