import { once } from 'node:events'
import t from 'tap'
import { Client } from '../../../../services/hub/clients/client.ts'
import { Cursor } from '../../../../services/hub/clients/cursor.ts'
import { Heartbeat, type HeartbeatOptions } from '../../../../services/hub/clients/heartbeat.ts'
import type { Protocol } from '../../../../services/protocol/protocol.ts'
import { raw } from '../../../../services/protocol/raw.ts'
import { RateLimit } from '../../../../services/lib/rate-limit.ts'
import { connect, ECHO, listen, until } from '../../../support/helper.ts'
import { rawConnect, OPCODE, frame } from '../../../support/raw-client.ts'
import { newFlusher, Peer } from '../peer.ts'

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

const PATIENT = { pingPeriodMs: 20_000, maxUnanswered: 4, readDeadlineMs: 100_000, writeDeadlineMs: 35_000 }

/** A heartbeat on clocks that the test moves, and clients whose ends and pings it notes. */
function wheel (options: Omit<HeartbeatOptions, 'clock'> = PATIENT) {
  const clock = { wallMs: Date.UTC(2026, 0, 1), steadyMs: 5_000_000, wall: () => clock.wallMs, steady: () => clock.steadyMs }
  const heartbeat = new Heartbeat({ ...options, clock })
  const flusher = newFlusher()
  const ended: string[] = []
  const pinged: string[] = []
  const join = (user: string, { expiresAt, answers = true, protocol = raw }: { expiresAt?: number, answers?: boolean, protocol?: Protocol } = {}): Client => {
    const peer = Object.assign(new Peer(), { bytesRead: 0, close: (code: number) => { ended.push(`${user} ${code}`) }, terminate: () => { ended.push(`${user} cut`); peer.isOpen = false } })
    peer.stream.resume()
    const outbox = peer.outbox(flusher)
    const push = outbox.push.bind(outbox)
    outbox.push = (frame) => { pinged.push(user); if (answers) peer.bytesRead++; return push(frame) }
    const client = new Client({
      id: user, identity: { user, roles: [], expiresAt }, protocol, connection: peer, clock, outbox, cursor: new Cursor({ since: 0 }), device: '',
      taskQueueHooks: { onFailure () {}, onPressure () {} }, messageRate: new RateLimit(0), hooks: { onOverflow () {}, onBehind () {} }
    })
    heartbeat.add(client)
    return client
  }
  const pass = (ms: number, stepMs = 100): void => {
    for (const end = clock.steadyMs + ms; clock.steadyMs < end;) {
      clock.steadyMs += stepMs
      clock.wallMs += stepMs
      heartbeat.turn()
    }
  }
  return { clock, heartbeat, ended, pinged, join, pass }
}

t.test('a jump of the time of day disturbs nobody but those whose token it ends', async (t) => {
  const { clock, ended, join, pass } = wheel()
  join('forever')
  join('until noon', { expiresAt: clock.wallMs + 12 * 3_600_000 })
  clock.wallMs += 3_600_000
  pass(20_000)
  clock.wallMs -= 7_200_000
  pass(20_000)
  t.same(ended, [])
  clock.wallMs += 24 * 3_600_000
  pass(20_000)
  t.same([...new Set(ended)], ['until noon 4401'])
})

t.test('a token ends its connection within a second, however seldom the client is pinged', async (t) => {
  const { clock, ended, join, pass } = wheel({ ...PATIENT, pingPeriodMs: 24 * 3_600_000, readDeadlineMs: 0 })
  join('alice', { expiresAt: clock.wallMs + 12_345 })
  pass(12_300)
  t.same(ended, [])
  pass(1000)
  t.same(ended, ['alice 4401'])
})

t.test('clients that came together are pinged spread over time, each once a period, and not in the first half of one', async (t) => {
  const { pinged, join, pass } = wheel()
  for (let n = 0; n < 1000; n++) join(`${n}`)
  pass(9_900)
  t.equal(pinged.length, 0)
  let largest = 0
  for (let n = 0; n < 101; n++) {
    const before = pinged.length
    pass(100)
    largest = Math.max(largest, pinged.length - before)
  }
  t.equal(new Set(pinged).size, 1000)
  t.equal(pinged.length, 1000)
  t.ok(largest <= 1000 / 12, `${largest} at once`)
  pinged.length = 0
  pass(200_000)
  t.ok(pinged.length > 9_700 && pinged.length <= 10_000, `${pinged.length} pings in ten periods`)
})

t.test('a client that has gone is not looked after any more', async (t) => {
  const { heartbeat, pinged, join, pass } = wheel()
  const client = join('gone')
  heartbeat.remove(client)
  t.equal(client.liveness.slot, null)
  pass(60_000)
  t.same(pinged, [])
})

t.test('after a standstill of the process nobody is given up who has not been asked', async (t) => {
  const { clock, ended, pinged, join, pass, heartbeat } = wheel()
  for (let n = 0; n < 100; n++) join(`${n}`)
  pass(25_000)
  pinged.length = 0
  clock.steadyMs += 90_000
  heartbeat.turn()
  t.equal(pinged.length, 100)
  pass(40_000)
  t.same(ended, [])
})

t.test('a client that answers nothing is given up after its pings, not before', async (t) => {
  const { ended, pinged, join, pass } = wheel({ ...PATIENT, readDeadlineMs: 0 })
  join('mute', { answers: false })
  pass(101_000)
  t.equal(pinged.length, 5)
  t.same(ended, [])
  pass(22_000)
  t.same(ended, ['mute cut'])
})

t.test('a protocol may have a period of its own: its clients are pinged in it, and have as much time to answer as all others', async (t) => {
  const { ended, pinged, join, pass } = wheel({ ...PATIENT, readDeadlineMs: 0, shortestPingMs: 1000 })
  const hurried = { ...raw, pingPeriodMs: 1000 }
  join('often', { protocol: hurried })
  join('mute', { protocol: hurried, answers: false })
  pass(900)
  t.same(pinged, [], 'the first one comes after exactly a period')
  pass(9200)
  t.equal(pinged.filter((user) => user === 'often').length, 10)
  pass(88_000)
  t.same(ended, [], 'five periods of the hub are 100 s')
  pass(5000)
  t.same(ended, ['mute cut'])
})

t.test('a period of its own is never too long for the deadline', async (t) => {
  const { ended, join, pass } = wheel({ ...PATIENT, pingPeriodMs: 1000, readDeadlineMs: 5000 })
  join('seldom', { protocol: { ...raw, pingPeriodMs: 10_000 } })
  join('mute', { protocol: { ...raw, pingPeriodMs: 10_000 }, answers: false })
  pass(60_000)
  t.same(ended, ['mute cut'])
})
