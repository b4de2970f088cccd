import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { Client } from '../../../services/hub/client.ts'
import { Flusher } from '../../../services/hub/flusher.ts'
import { Heartbeat } from '../../../services/hub/heartbeat.ts'
import { Outbox } from '../../../services/hub/outbox.ts'
import { Turns } from '../../../services/hub/turns.ts'
import { raw } from '../../../services/protocol/raw.ts'
import { RateLimit } from '../../../services/rate-limit.ts'
import { connect, ECHO, listen, until } from '../../helper.ts'
import { rawConnect, OPCODE, frame } from '../../raw-client.ts'

const HURRIED = { pingPeriod: '40ms', heartbeatFailMaxTimes: 2, readDeadline: 0 } as const

/** What the hub tells of the ends of its connections. */
function endings (app: Awaited<ReturnType<typeof listen>>['app']): string[] {
  const told: string[] = []
  app.hub.on('error', (_client, error) => told.push(`error ${error.message}`))
  app.hub.on('close', (_client, code) => told.push(`close ${code}`))
  return told
}

t.test('pings with the payload that clients of the older services know', async (t) => {
  const { url } = await listen(t, { websocket: { pingPeriod: '40ms' } })
  const client = await connect(t, url)
  const [payload] = await once(client.socket, 'ping') as [Buffer]
  t.equal(payload.toString(), 'Server->Ping->Client')
})

t.test('a client that answers pings stays, however silent it is otherwise', async (t) => {
  const { app, url } = await listen(t, { websocket: { ...HURRIED, readDeadline: '150ms' } })
  const client = await connect(t, url)
  for (let n = 0; n < 8; n++) await once(client.socket, 'ping')
  t.equal(app.hub.size, 1)
})

t.test('a client that says anything stays, though it answers no ping', async (t) => {
  const { app, port, token } = await listen(t, { websocket: { ...HURRIED, readDeadline: '150ms', messagesPerSecond: 0 } })
  const client = await rawConnect({ port, token })
  t.teardown(() => client.destroy())
  let pings = 0
  while (pings < 8) {
    if ((await client.next()).opcode !== OPCODE.ping) continue
    pings++
    client.send(frame({ opcode: OPCODE.text, payload: 'here' }))
  }
  t.equal(app.hub.size, 1)
})

t.test('a dead client is given up after more unanswered pings than it may miss, and forgotten', async (t) => {
  const { app, port, token } = await listen(t, { websocket: HURRIED })
  const told = endings(app)
  const client = await rawConnect({ port, token })
  t.teardown(() => client.destroy())
  t.equal((await client.next()).opcode, OPCODE.text, 'the greeting')
  const pings: number[] = []
  for (let n = 0; n < HURRIED.heartbeatFailMaxTimes + 1; n++) pings.push((await client.next()).opcode)
  t.same(pings, [OPCODE.ping, OPCODE.ping, OPCODE.ping])
  t.same(await client.closed(), { code: 1006, reason: '' })
  await until(() => told.length === 2)
  t.same(told, ['error no sign of life', 'close 4408'])
  t.equal(app.hub.size, 0)
  t.match(await app.hub.broadcast('anybody?'), { matched: 0 })
})

t.test('a client from which nothing comes for the read deadline is given up', async (t) => {
  const { app, port, token } = await listen(t, { websocket: { pingPeriod: '10s', readDeadline: '100ms' } })
  const told = endings(app)
  const client = await rawConnect({ port, token })
  t.teardown(() => client.destroy())
  t.equal((await client.closed()).code, 1006)
  await until(() => told.length === 2)
  t.same(told, ['error no sign of life', 'close 4408'])
})

t.test('a client whose messages wait for a slow handler is not taken for dead', async (t) => {
  const { app, url } = await listen(t, { websocket: { ...HURRIED, readDeadline: '100ms', messagesPerSecond: 0 } })
  let release = (): void => {}
  const held = new Promise<void>((resolve) => { release = resolve })
  app.hub.onMessage(async (client, data) => {
    if (data === '0') await held
    client.reply(`done ${String(data)}`)
  })
  const client = await connect(t, url)
  for (let n = 0; n < 30; n++) client.send(String(n))
  for (let n = 0; n < 6; n++) await once(client.socket, 'ping')
  t.equal(app.hub.size, 1)
  release()
  for (let n = 0; n < 30; n++) t.equal(await client.next(), `done ${n}`)
})

t.test('pings keep their place among messages', async (t) => {
  const { app, url } = await listen(t, { websocket: { pingPeriod: '20ms' } })
  const client = await connect(t, url)
  const order: string[] = []
  client.socket.on('ping', () => order.push('ping'))
  client.socket.on('message', (data) => order.push((data as Buffer).toString()))
  for (let n = 0; n < 50; n++) {
    await app.hub.broadcast(String(n))
    client.send('x')
    await until(() => order.includes(`${ECHO}x`))
    order.splice(order.indexOf(`${ECHO}x`), 1)
  }
  t.same(order.filter((item) => item !== 'ping'), Array.from({ length: 50 }, (_, n) => String(n)))
})

t.test('a jump of the time of day disturbs nobody but those whose token it ends', async (t) => {
  let wall = Date.UTC(2026, 0, 1)
  let steady = 0
  const clients = new Map<string, Client>()
  const heartbeat = new Heartbeat(() => clients.values(), { pingPeriodMs: 20_000, maxUnanswered: 4, readDeadlineMs: 100_000, writeDeadlineMs: 35_000, clock: { wall: () => wall, steady: () => steady } })
  const ended: string[] = []
  for (const [user, expiresAt] of [['forever', undefined], ['until noon', wall + 3_600_000 * 12]] as const) {
    const connection = { stream: new PassThrough(), address: '', isOpen: true, bytesRead: 0, close: (code: number) => ended.push(`${user} ${code}`), terminate: () => ended.push(`${user} cut`), pause () {}, resume () {} }
    const clock = { wall: () => wall, steady: () => steady }
    clients.set(user, new Client({
      id: user, identity: { user, roles: [], expiresAt }, protocol: raw, connection, clock,
      outbox: new Outbox(connection, new Flusher(), { maxBytes: 1000, maxWrites: 10 }, clock.steady),
      turns: new Turns({ onFailure () {}, onPressure () {} }), messageRate: new RateLimit(0), onOverflow () {}
    }))
  }
  wall += 3_600_000
  heartbeat.sweep()
  wall -= 7_200_000
  heartbeat.sweep()
  t.same(ended, [])
  wall += 3_600_000 * 24
  heartbeat.sweep()
  t.same(ended, ['until noon 4401'])
  steady += 100_001
  heartbeat.sweep()
  t.same(ended, ['until noon 4401', 'forever cut'])
})
