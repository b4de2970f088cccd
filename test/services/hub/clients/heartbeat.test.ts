import { once } from 'node:events'
import t from 'tap'
import type { Client } from '../../../../services/hub/clients/client.ts'
import { Heartbeat, type HeartbeatOptions } from '../../../../services/hub/clients/heartbeat.ts'
import type { Protocol } from '../../../../services/protocol/protocol.ts'
import { raw } from '../../../../services/protocol/raw.ts'
import { connect, ECHO, listen, until } from '../../../support/helper.ts'
import { rawConnect, OPCODE, frame } from '../../../support/raw-client.ts'
import { newClient, newFlusher, Peer } from '../peer.ts'

const HURRIED = { pingPeriod: '40ms', heartbeatFailMaxTimes: 2, readDeadline: 0 } as const

/** Records the `error` and `close` events of the hub. */
function recordEnds (app: Awaited<ReturnType<typeof listen>>['app']): string[] {
  const events: string[] = []
  app.hub.on('error', (_client, error) => events.push(`error ${error.message}`))
  app.hub.on('close', (_client, code) => events.push(`close ${code}`))
  return events
}

t.test('pings with the payload that clients of the older services know', async (t) => {
  const { url } = await listen(t, { websocket: { pingPeriod: '40ms' } })
  const client = await connect(t, url)
  const [payload] = await once(client.socket, 'ping') as [Buffer]
  t.equal(payload.toString(), 'Server->Ping->Client')
})

t.test('a client that answers pings stays connected without sending messages', async (t) => {
  const { app, url } = await listen(t, { websocket: { ...HURRIED, readDeadline: '150ms' } })
  const client = await connect(t, url)
  for (let n = 0; n < 8; n++) await once(client.socket, 'ping')
  t.equal(app.hub.size, 1)
})

t.test('a client that sends messages stays connected without answering pings', async (t) => {
  const websocket = { ...HURRIED, readDeadline: '150ms', messagesPerSecond: 0 }
  const { app, port, token } = await listen(t, { websocket })
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

t.test('a client is terminated and removed after more unanswered pings than allowed', async (t) => {
  const { app, port, token } = await listen(t, { websocket: HURRIED })
  const events = recordEnds(app)
  const client = await rawConnect({ port, token })
  t.teardown(() => client.destroy())
  t.equal((await client.next()).opcode, OPCODE.text, 'the greeting')
  const pings: number[] = []
  for (let n = 0; n < HURRIED.heartbeatFailMaxTimes + 1; n++) pings.push((await client.next()).opcode)
  t.same(pings, [OPCODE.ping, OPCODE.ping, OPCODE.ping])
  t.same(await client.closed(), { code: 1006, reason: '' })
  await until(() => events.length === 2)
  t.same(events, ['error no sign of life', 'close 4408'])
  t.equal(app.hub.size, 0)
  t.match(await app.hub.broadcast('anybody?'), { matched: 0 })
})

t.test('a client that sends no bytes within the read deadline is terminated', async (t) => {
  const { app, port, token } = await listen(t, { websocket: { pingPeriod: '10s', readDeadline: '100ms' } })
  const events = recordEnds(app)
  const client = await rawConnect({ port, token })
  t.teardown(() => client.destroy())
  t.equal((await client.closed()).code, 1006)
  await until(() => events.length === 2)
  t.same(events, ['error no sign of life', 'close 4408'])
})

t.test('a client is not terminated while its messages are queued for a slow handler', async (t) => {
  const { app, url } = await listen(t, { websocket: { ...HURRIED, readDeadline: '100ms', messagesPerSecond: 0 } })
  let release = (): void => {}
  const blocked = new Promise<void>((resolve) => { release = resolve })
  app.hub.onMessage(async (client, data) => {
    if (data === '0') await blocked
    client.reply(`done ${String(data)}`)
  })
  const client = await connect(t, url)
  for (let n = 0; n < 30; n++) client.send(String(n))
  for (let n = 0; n < 6; n++) await once(client.socket, 'ping')
  t.equal(app.hub.size, 1)
  release()
  for (let n = 0; n < 30; n++) t.equal(await client.next(), `done ${n}`)
})

t.test('pings do not change the order of messages', async (t) => {
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

/** Creates a heartbeat on clocks that the test advances, and records the pings and the ends of its clients. */
function newHeartbeat (options: HeartbeatOptions = PATIENT) {
  const clock = {
    wallMs: Date.UTC(2026, 0, 1),
    steadyMs: 5_000_000,
    wall: () => clock.wallMs,
    steady: () => clock.steadyMs
  }
  const heartbeat = new Heartbeat(options, clock, (client) => { ended.push(`${client.identity.user} forgotten`); heartbeat.remove(client) })
  const flusher = newFlusher()
  const ended: string[] = []
  const pinged: string[] = []
  const join = (user: string, options: { expiresAt?: number, answers?: boolean, protocol?: Protocol } = {}): Client => {
    const { expiresAt, answers = true, protocol = raw } = options
    const peer = Object.assign(new Peer(), {
      bytesRead: 0,
      close: (code: number) => { ended.push(`${user} ${code}`) },
      terminate: () => { ended.push(`${user} cut`); peer.isOpen = false }
    })
    peer.stream.resume()
    const outbox = peer.outbox(flusher)
    const push = outbox.push.bind(outbox)
    outbox.push = (frame) => { pinged.push(user); if (answers) peer.bytesRead++; return push(frame) }
    const client = newClient(peer, { id: user, identity: { user, roles: [], expiresAt }, protocol, clock, outbox })
    heartbeat.add(client)
    return client
  }
  const pass = (ms: number, stepMs = 100): void => {
    for (const end = clock.steadyMs + ms; clock.steadyMs < end;) {
      clock.steadyMs += stepMs
      clock.wallMs += stepMs
      heartbeat.tick()
    }
  }
  return { clock, heartbeat, ended, pinged, join, pass }
}

t.test('a jump of the wall clock closes only the clients with an expired token', async (t) => {
  const { clock, ended, join, pass } = newHeartbeat()
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

t.test('an expired token closes the connection within a second, with any ping period', async (t) => {
  const { clock, ended, join, pass } = newHeartbeat({ ...PATIENT, pingPeriodMs: 24 * 3_600_000, readDeadlineMs: 0 })
  join('alice', { expiresAt: clock.wallMs + 12_345 })
  pass(12_300)
  t.same(ended, [])
  pass(1000)
  t.same(ended, ['alice 4401'])
})

t.test('clients that connect together are pinged at different times, first after half a period', async (t) => {
  const { pinged, join, pass } = newHeartbeat()
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

t.test('a removed client is not pinged', async (t) => {
  const { heartbeat, pinged, join, pass } = newHeartbeat()
  const client = join('gone')
  heartbeat.remove(client)
  pass(60_000)
  t.same(pinged, [])
})

t.test('after a standstill of the process, no client is terminated without a ping', async (t) => {
  const { clock, ended, pinged, join, pass, heartbeat } = newHeartbeat()
  for (let n = 0; n < 100; n++) join(`${n}`)
  pass(25_000)
  pinged.length = 0
  clock.steadyMs += 90_000
  heartbeat.tick()
  t.equal(pinged.length, 100)
  pass(40_000)
  t.same(ended, [])
})

t.test('a client that answers no ping is terminated after the allowed pings, not before', async (t) => {
  const { ended, pinged, join, pass } = newHeartbeat({ ...PATIENT, readDeadlineMs: 0 })
  join('mute', { answers: false })
  pass(101_000)
  t.equal(pinged.length, 5)
  t.same(ended, [])
  pass(22_000)
  t.same(ended, ['mute cut'])
})

t.test('clients are pinged in the period of their protocol, and have the usual time to answer', async (t) => {
  const { ended, pinged, join, pass } = newHeartbeat({ ...PATIENT, readDeadlineMs: 0, shortestPingMs: 1000 })
  const hurried = { ...raw, pingPeriodMs: 1000 }
  join('often', { protocol: hurried })
  join('mute', { protocol: hurried, answers: false })
  pass(900)
  t.same(pinged, [], 'the first ping is due after exactly a period')
  pass(9200)
  t.equal(pinged.filter((user) => user === 'often').length, 10)
  pass(88_000)
  t.same(ended, [], 'five periods of the hub are 100 s')
  pass(5000)
  t.same(ended, ['mute cut'])
})

t.test('the ping period of a protocol is at most half of the read deadline', async (t) => {
  const { ended, join, pass } = newHeartbeat({ ...PATIENT, pingPeriodMs: 1000, readDeadlineMs: 5000 })
  join('seldom', { protocol: { ...raw, pingPeriodMs: 10_000 } })
  join('mute', { protocol: { ...raw, pingPeriodMs: 10_000 }, answers: false })
  pass(60_000)
  t.same(ended, ['mute cut'])
})
