import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import fastifyWebsocket from '@fastify/websocket'
import fc from 'fast-check'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { fastifyHub } from '../../index.ts'
import type { ConfigInput } from '../../services/config/input.ts'
import { connect, IN_MEMORY, listen, LogLines, SECRET, TestClient, token } from '../support/helper.ts'
import { frame, OPCODE, rawConnect, rawRequest, handshake, type Frame } from '../support/raw-client.ts'

const OFFER = 'permessage-deflate; client_max_window_bits'
const RSV1 = 4
const JSON_TEXT = JSON.stringify(Array.from({ length: 50 }, (_, id) => ({ id, name: `item ${id}`, price: id * 1.5 })))

async function listenCompressed (t: Test, websocket: ConfigInput['websocket'] = {}) {
  return listen(t, { websocket: { compression: { enabled: true }, ...websocket } })
}

/** Connects a client whose handshake offers these extensions, and consumes the greeting. */
async function connectOffering (t: Test, port: number, extensions: string) {
  const client = await rawConnect({ port, token: token(), headers: { 'Sec-WebSocket-Extensions': extensions } })
  t.teardown(() => client.destroy())
  await client.next()
  return client
}

/** Returns the text of a frame. With RSV1, zlib inflates the payload without ws (RFC 7692 section 7.2.2). */
function textOf ({ rsv, payload }: Frame): string {
  if (rsv === 0) return payload.toString()
  return inflateRawSync(Buffer.concat([payload, Buffer.from('0000ffff', 'hex')]), { finishFlush: constants.Z_SYNC_FLUSH }).toString()
}

function deflated (text: string | Buffer): Buffer {
  return deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
}

t.test('compression is negotiated without context takeover on either side, and only when it is enabled', async (t) => {
  const headers = { 'Sec-WebSocket-Extensions': OFFER }
  const respond = async (port: number) => rawRequest(port, handshake({ token: token(), headers }))
  const { port } = await listenCompressed(t)
  const agreed = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'
  t.match(await respond(port), `\r\nSec-WebSocket-Extensions: ${agreed}\r\n`)
  t.notMatch(await respond((await listen(t)).port), /Sec-WebSocket-Extensions/i)
})

t.test('a message above the threshold is deflated for clients that negotiated compression, and plain for other clients', async (t) => {
  const { app, port, url } = await listenCompressed(t)
  const [one, two] = [await connectOffering(t, port, OFFER), await connectOffering(t, port, OFFER)]
  const plain = await connect(t, url)
  const ordinary = new TestClient(new WebSocket(`${url}?token=${token()}`, { perMessageDeflate: false }))
  t.teardown(() => ordinary.socket.terminate())
  await ordinary.next()
  t.match(await app.hub.broadcast(JSON_TEXT), { matched: 4, written: 4 })
  const [first, second] = [await one.next(), await two.next()]
  t.equal(first.rsv, RSV1)
  t.ok(first.payload.length < JSON_TEXT.length / 3)
  t.ok(first.payload.equals(second.payload), 'the same bytes for both')
  t.equal(textOf(first), JSON_TEXT)
  t.equal(plain.socket.extensions, 'permessage-deflate')
  t.equal(await plain.next(), JSON_TEXT)
  t.equal(ordinary.socket.extensions, '')
  t.equal(await ordinary.next(), JSON_TEXT)

  await app.hub.broadcast('short')
  const short = await one.next()
  t.equal(short.rsv, 0)
  t.equal(textOf(short), 'short')
  await app.hub.broadcast(Buffer.alloc(5000, 7))
  const binary = await one.next()
  t.same([binary.rsv, binary.opcode], [RSV1, OPCODE.binary])
})

t.test('a message that compression does not make smaller is sent uncompressed', async (t) => {
  const { app, port } = await listenCompressed(t, { compression: { enabled: true, threshold: 0 } })
  const client = await connectOffering(t, port, OFFER)
  await app.hub.broadcast(randomBytes(5000))
  t.equal((await client.next()).rsv, 0)
  await app.hub.broadcast('')
  t.equal((await client.next()).payload.length, 0)
})

t.test('a client that requires a smaller window gets uncompressed messages', async (t) => {
  const { app, port } = await listenCompressed(t)
  const client = await connectOffering(t, port, 'permessage-deflate; server_max_window_bits=9')
  await app.hub.broadcast(JSON_TEXT)
  const got = await client.next()
  t.equal(got.rsv, 0)
  t.equal(textOf(got), JSON_TEXT)
})

t.test('compressed and plain messages keep their order, replies too', async (t) => {
  const { app, url } = await listenCompressed(t)
  const client = await connect(t, url)
  const published: string[] = []
  for (let n = 0; n < 100; n++) {
    const text = n % 3 === 0 ? `${n}` : `${n} ${JSON_TEXT}`
    published.push(text)
    void app.hub.broadcast(text)
  }
  const got: unknown[] = []
  while (got.length < published.length) got.push(await client.next())
  t.same(got, published)
  app.hub.onMessage((one, data) => one.reply(`received ${String(data)}`))
  client.send(JSON_TEXT)
  t.equal(await client.next(), `received ${JSON_TEXT}`)
})

t.test('any text arrives unchanged, through zlib and through the ws library', async (t) => {
  const { app, port, url } = await listenCompressed(t, { compression: { enabled: true, threshold: 1 } })
  const [raw, client] = [await connectOffering(t, port, OFFER), await connect(t, url)]
  const words = fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 40 })
  await fc.assert(fc.asyncProperty(words, fc.nat(20), async (parts, repeat) => {
    const text = parts.join(' ').repeat(repeat)
    await app.hub.broadcast(text)
    return textOf(await raw.next()) === text && await client.next() === text
  }), { numRuns: 50 })
})

t.test('compressed messages of clients are read, also in fragments', async (t) => {
  const { app, port } = await listenCompressed(t)
  const received: string[] = []
  app.hub.onMessage((one, data) => { received.push(String(data)); one.reply('ok') })
  const client = await connectOffering(t, port, OFFER)
  const bytes = deflated('hello '.repeat(1000))
  client.send(frame({ opcode: OPCODE.text, payload: bytes, rsv: RSV1 }))
  await client.next()
  client.send(Buffer.concat([
    frame({ opcode: OPCODE.text, payload: bytes.subarray(0, 7), rsv: RSV1, fin: false }),
    frame({ opcode: OPCODE.continuation, payload: bytes.subarray(7) })
  ]))
  await client.next()
  t.same(received, ['hello '.repeat(1000), 'hello '.repeat(1000)])
})

t.test('a decompression bomb is refused at the largest message size, an invalid stream at once, and other clients are served', async (t) => {
  const { app, port, url } = await listenCompressed(t)
  const healthy = await connect(t, url)
  const bomb = deflated(Buffer.alloc(60_000_000))
  t.ok(bomb.length < 65_000)
  const before = process.memoryUsage().rss
  for (const [payload, code] of [[bomb, 1009], [Buffer.from('ffffffffff', 'hex'), 1007]] as const) {
    const client = await connectOffering(t, port, OFFER)
    client.send(frame({ opcode: OPCODE.binary, payload, rsv: RSV1 }))
    t.match(await client.closed(), { code })
  }
  t.ok(process.memoryUsage().rss - before < 30_000_000)
  const control = await connectOffering(t, port, OFFER)
  control.send(frame({ opcode: OPCODE.ping, payload: 'x', rsv: RSV1 }))
  t.match(await control.closed(), { code: 1002 })
  t.match(await app.hub.broadcast('still here'), { written: 1 })
  t.equal(await healthy.next(), 'still here')
})

t.test('a Close frame follows earlier messages, compressed or not', async (t) => {
  const { app, url } = await listenCompressed(t)
  const client = await connect(t, url)
  const closed = once(client.socket, 'close')
  void app.hub.broadcast(JSON_TEXT)
  await app.hub.disconnect({ user: 'alice' })
  await closed
  t.equal(await client.next(), JSON_TEXT)
})

t.test('an @fastify/websocket of the application negotiates the compression, and a warning is logged if it has none', async (t) => {
  const compression = { enabled: true }
  for (const perMessageDeflate of [true, false, { serverMaxWindowBits: 9 }]) {
    const log = new LogLines()
    const app = Fastify({ logger: { level: 'warn', stream: log } })
    t.teardown(() => app.close())
    await app.register(fastifyWebsocket, { options: { perMessageDeflate, maxPayload: 65_535, handleProtocols: () => false } })
    await app.register(fastifyHub, { ...IN_MEMORY, auth: { secret: SECRET }, websocket: { compression } })
    const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
    const raw = await connectOffering(t, Number(port), OFFER)
    const client = await connect(t, `ws://127.0.0.1:${port}/admin/ws`)
    // The server may keep a context here. The hub never uses the context.
    for (const text of [JSON_TEXT, JSON_TEXT, `${JSON_TEXT} again`, Array.from({ length: 6000 }, (_, n) => n * 7919).join()]) {
      await app.hub.broadcast(text)
      t.equal(await client.next(), text)
      t.equal((await raw.next()).rsv, perMessageDeflate === true ? RSV1 : 0)
    }
    t.equal(log.text.includes('websocket.compression has no effect'), perMessageDeflate === false)
  }
})
