// Clients that send more bytes or frames than any message needs. The server runs in this process.
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { InputMeter, inputLimits, MAX_FRAGMENTS } from '../../services/transport/input-meter.ts'
import { build, connect, ECHO, listen, TestClient, token, until } from '../support/helper.ts'
import { frame, OPCODE, rawConnect, type RawClient } from '../support/raw-client.ts'

const { continuation, text, ping, pong } = OPCODE
const FLOOD = '4429 too many messages'

const times = (count: number, bytes: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => bytes))
const begin = frame({ opcode: text, payload: 'a', fin: false })
const empty = frame({ opcode: continuation, fin: false })
const end = frame({ opcode: continuation })

/** Connects a raw client, and reads the greeting. */
async function open (t: Test, port: number, user: string): Promise<RawClient> {
  const client = await rawConnect({ port, token: token({ user }) })
  t.teardown(() => client.destroy())
  await client.next()
  return client
}

/** Reads to the Close frame, and returns its code and reason. A raw client does not answer the frame. */
async function closeFrame (client: RawClient): Promise<string> {
  for (;;) {
    const { opcode, payload } = await client.next()
    if (opcode === OPCODE.close) return `${payload.readUInt16BE(0)} ${payload.toString('utf8', 2)}`
  }
}

t.test('a client that sends too many frames or bytes is closed with 4429', async (t) => {
  const { app, port, url } = await listen(t, { websocket: { bytesPerSecond: '256KiB', maxMessageSize: '4KiB' } })
  const calm = await connect(t, url, { user: 'calm' })
  const floods: Record<string, Buffer> = {
    pongs: times(2000, frame({ opcode: pong })),
    'pongs with a payload': times(2000, frame({ opcode: pong, payload: 'Server->Ping->Client' })),
    'empty fragments': times(2, Buffer.concat([begin, times(12_000, empty), end])),
    'pongs between fragments': Buffer.concat([begin, times(2000, Buffer.concat([empty, frame({ opcode: pong })]))]),
    'large messages': times(80, frame({ opcode: text, payload: 'a'.repeat(4096) }))
  }
  for (const [title, bytes] of Object.entries(floods)) {
    const client = await open(t, port, title)
    client.send(bytes)
    t.equal(await closeFrame(client), FLOOD, title)
    client.destroy()
  }
  const pinging = await open(t, port, 'pings, each with its pong')
  let pings = 0
  for (let isClosed = false; !isClosed && pings < 5000; pings += 50) {
    pinging.send(times(50, frame({ opcode: ping })))
    for (let n = 0; n < 50 && !isClosed; n++) isClosed = (await pinging.next()).opcode === OPCODE.close
  }
  t.ok(pings > 1700 && pings < 5000, `${pings} pings`)
  pinging.destroy()
  calm.send('hi')
  t.equal(await calm.next(), `${ECHO}hi`)
  await until(() => app.hub.size === 1)
})

t.test('a client that goes on is not read, and cut off after a second', async (t) => {
  const { app, port } = await listen(t, { websocket: { maxClientsPerUser: 1, bytesPerSecond: 0 } })
  const pongs = times(10_000, frame({ opcode: pong }))
  const client = await open(t, port, 'alice')
  const refused = await rawConnect({ port, token: token(), headers: { 'Sec-WebSocket-Protocol': 'hub.raw' } })
  t.equal((await refused.next()).opcode, OPCODE.close, 'the user has a connection')
  for (const one of [client, refused]) {
    const started = performance.now()
    const flood = setInterval(() => one.send(pongs), 1)
    await one.closed()
    clearInterval(flood)
    t.ok(performance.now() - started < 3000, 'before the time for a closing handshake is over')
  }
  await until(() => app.hub.size === 0)
})

t.test('a client within the limits of messages is within the other limits', async (t) => {
  const { port } = await listen(t, { websocket: { compression: { enabled: true } } })
  const client = await open(t, port, 'alice')
  client.send(Buffer.concat([begin, times(MAX_FRAGMENTS - 2, empty), end]))
  t.equal((await client.next()).payload.toString(), `${ECHO}a`, 'a message in as many fragments as it may have')
  const large = frame({ opcode: text, payload: 'a'.repeat(65_535) })
  for (let n = 0; n < 60; n++) {
    client.send(large)
    await client.next()
  }
  client.send(times(50, frame({ opcode: ping })))
  for (let n = 0; n < 50; n++) await client.next()

  const deflating = new TestClient(new WebSocket(`ws://127.0.0.1:${port}/admin/ws?token=${token()}`, { perMessageDeflate: { threshold: 0 } }))
  t.teardown(() => deflating.socket.terminate())
  await deflating.next()
  for (let n = 0; n < 20; n++) {
    deflating.send('a'.repeat(65_535))
    t.equal((await deflating.next()).length, ECHO.length + 65_535)
  }
})

t.test('an injected client has the same limits', async (t) => {
  const { app } = await build(t)
  await app.ready()
  const client = await new Promise<TestClient>((resolve) => {
    void app.injectWS(`/admin/ws?token=${token()}`, {}, { onInit: (socket) => resolve(new TestClient(socket)) })
  })
  await client.next()
  for (let n = 0; n < 2000; n++) client.socket.pong()
  t.match(await client.closed(), { code: 4429 })
})

t.test('0 switches the limits off', async (t) => {
  const { port } = await listen(t, { websocket: { messagesPerSecond: 0, bytesPerSecond: 0 } })
  const client = await open(t, port, 'alice')
  client.send(Buffer.concat([times(40_000, frame({ opcode: pong })), frame({ opcode: text, payload: 'still here' })]))
  t.equal((await client.next()).payload.toString(), `${ECHO}still here`)
})

t.test('the meter', async (t) => {
  const clock = { now: 1000, wall: () => 0, steady: () => clock.now }
  const newMeter = () => new InputMeter(inputLimits({ bytesPerSecond: 0, messagesPerSecond: 100, maxMessageSize: 65_535 }), clock)

  await t.test('counts a control frame as ten fragments, and gives back what time brings', async (t) => {
    const meter = newMeter()
    t.ok(meter.allow(times(1738, frame({ opcode: ping })), 0))
    t.notOk(meter.allow(times(1738, frame({ opcode: ping })), 0))
    t.ok(meter.allow(times(1738, frame({ opcode: ping })), 0), 'a burst to read the Close frame')
    clock.now += 1000
    t.ok(meter.allow(times(100, frame({ opcode: ping })), 0))
    t.notOk(meter.allow(times(200, frame({ opcode: ping })), 0))
  })

  await t.test('does not count the pongs that answer pings', async (t) => {
    const meter = newMeter()
    t.ok(meter.allow(times(5000, frame({ opcode: pong })), 5000))
    t.notOk(meter.allow(times(5000, frame({ opcode: pong })), 5000))
  })

  await t.test('counts the same, however the bytes are divided into chunks', async () => {
    const { binary } = OPCODE
    const frames = fc.array(fc.record({
      opcode: fc.constantFrom(continuation, text, binary, ping, pong), fin: fc.boolean(),
      payload: fc.constantFrom(0, 1, 125, 126, 300, 65_535, 65_536).map((size) => Buffer.alloc(size, 0x89)), masked: fc.boolean()
    }), { minLength: 1, maxLength: 10 })
    /** Pings that a meter allows after these bytes. */
    const pingsAfter = (bytes: Buffer, sizes: readonly number[]): number => {
      const meter = newMeter()
      for (let at = 0, n = 0; at < bytes.length; n++) {
        const size = sizes[n % sizes.length] ?? 1
        meter.allow(bytes.subarray(at, at + size), 0)
        at += size
      }
      let pings = 0
      while (meter.allow(frame({ opcode: ping }), 0)) pings++
      return pings
    }
    fc.assert(fc.property(frames, fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1 }), (list, sizes) => {
      const bytes = Buffer.concat(list.map((one) => frame(one)))
      const expected = list.reduce((sum, { opcode, fin }) => sum + (opcode >= 8 ? 10 : opcode === 0 || !fin ? 1 : 0), 0)
      // The rates count in parts of a sixteenth.
      return Math.abs(10 * pingsAfter(bytes, sizes) + expected - 17_384) <= 17_384 / 16 + 10
    }), { numRuns: 50 })
  })
})
