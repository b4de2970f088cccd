import { once } from 'node:events'
import { connect as dial, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { fastifyHub } from '../../index.ts'
import { connect, ECHO, IN_MEMORY, listen, token, until } from '../support/helper.ts'
import { handshake, rawRequest } from '../support/raw-client.ts'

const connections = (app: FastifyInstance) => new Promise<number>((resolve) => app.server.getConnections((_error, count) => resolve(count)))
const noSocketLeft = (app: FastifyInstance) => until(async () => await connections(app) === 0, 'no open socket')

/** Writes bytes and keeps the socket open. */
async function send (t: Test, port: number, bytes: string): Promise<Socket> {
  const socket = dial({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {}) // A reset by the server is a valid response.
  socket.resume()
  await once(socket, 'connect')
  socket.write(bytes)
  return socket
}

t.test('a refused upgrade leaves no open socket, and close() returns', async (t) => {
  for (const [title, request] of [
    ['a URL that cannot be decoded', handshake({ path: '/%zz' })],
    ['a lone percent sign', handshake({ path: '/%' })],
    ['an unknown path', handshake({ path: '/nowhere' })],
    ['a parameter that is too long', handshake({ path: `/clients/${'x'.repeat(500)}` })],
    ['another method', handshake({ method: 'POST', token: token() })],
    ['an unknown method', handshake({ method: 'PROPFIND', token: token() })],
    ['no token', handshake({})],
    ['a foreign origin', handshake({ token: token(), headers: { Origin: 'https://evil.example' } })],
    ['a plain route', handshake({ path: '/healthz' })],
    ['a route of the API', handshake({ path: '/clients', token: token({ roles: ['admin'] }) })],
    ['a file of the console', handshake({ path: '/' })],
    ['bytes behind the request', `${handshake({ path: '/nowhere' })}\x81\x85junk after the handshake`]
  ] as const) {
    await t.test(title, async (t) => {
      const { app, port } = await listen(t, { websocket: { handshakeTimeout: '200ms' } })
      await send(t, port, request)
      await noSocketLeft(app)
      t.equal(app.hub.size, 0)
      t.equal(app.websocketServer.clients.size, 0)
      const started = Date.now()
      await app.close()
      t.ok(Date.now() - started < 2000, 'close() returns at once')
    })
  }
})

t.test('close() does not wait for a pending upgrade', async (t) => {
  const { app, port } = await listen(t)
  await send(t, port, handshake({ path: '/%zz' }))
  await until(async () => await connections(app) === 1)
  const started = Date.now()
  await app.close()
  t.ok(Date.now() - started < 2000)
})

t.test('an upgrade to any other route is answered with 426, never with 101', async (t) => {
  const { app, port } = await listen(t)
  app.hub.on('open', () => { throw new Error('no client may connect') })
  for (const path of ['/', '/healthz', '/readyz', '/clients', '/clients/x', '/console.js']) {
    const answer = await rawRequest(port, handshake({ path, token: token({ roles: ['admin'] }) }))
    t.match(answer, /^HTTP\/1\.1 426 /, path)
    t.match(answer, /HUB_UPGRADE_REQUIRED/)
  }
  for (const path of ['//admin/ws', '/%61dmin/ws/', '/admin%2fws', '/admin/ws;x', '/ADMIN/WS', '/./admin/ws', '/admin/ws/', '/admin//ws', 'http://127.0.0.1/admin/ws']) {
    t.notMatch(await rawRequest(port, handshake({ path })), /^HTTP\/1\.1 101 /, `${path} without a token`)
  }
  t.equal(app.hub.size, 0)
})

t.test('a plain request to the WebSocket route gets a response that names WebSocket', async (t) => {
  const { origin } = await listen(t)
  const response = await fetch(`${origin}/admin/ws?token=${token()}`)
  t.equal(response.status, 426)
  t.equal(response.headers.get('upgrade'), 'websocket')
  t.match(await response.json(), { code: 'HUB_UPGRADE_REQUIRED', message: 'Connect to this address with a WebSocket client.' })
})

t.test('requests that offer h2c get the same responses as requests without the offer', async (t) => {
  const { app, port, url } = await listen(t)
  const client = await connect(t, url)
  const h2c = { Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings', 'HTTP2-Settings': 'AAMAAABkAAQAAP__', 'Sec-WebSocket-Version': null, 'Sec-WebSocket-Key': null }
  t.match(await rawRequest(port, handshake({ path: '/healthz', headers: h2c })), /^HTTP\/1\.1 200 [^]*{"status":"ok"}/)
  const body = '{"message":"from java"}'
  const authorization = `Bearer ${token({ roles: ['admin'] })}`
  const post = handshake({ method: 'POST', path: '/broadcast', headers: { ...h2c, Authorization: authorization, 'Content-Type': 'application/json', 'Content-Length': String(body.length) } })
  t.match(await rawRequest(port, post + body), /^HTTP\/1\.1 202 /)
  t.equal(await client.next(), 'from java')
  t.match(await rawRequest(port, handshake({ token: token(), headers: h2c })), /^HTTP\/1\.1 426 /)

  await t.test('h2c requests cannot smuggle a second request past the headers', async (t) => {
    const inner = `POST /broadcast HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    const outer = `POST /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n${'A:\r\n'.repeat(2000)}Content-Length: ${inner.length}\r\n\r\n${inner}`
    t.match(await rawRequest(port, outer), /^HTTP\/1\.1 4(05|31) /)
    t.same(await client.quiet(), [])
  })
  client.socket.terminate()
  await until(() => app.hub.size === 0)
})

t.test('a connection that is reset or closed during the check of its token leaves no socket and no client', async (t) => {
  const app = Fastify()
  const gates: Array<() => void> = []
  await app.register(fastifyHub, { ...IN_MEMORY,
    authenticate: async () => {
      await new Promise<void>((resolve) => gates.push(resolve))
      return { user: 'slow', roles: [] }
    },
    websocket: { upgradesPerSecond: 0, maxClientsPerUser: 0 }
  })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  const port = Number(new URL(origin).port)

  const ways = [(socket: Socket) => socket.resetAndDestroy(), (socket: Socket) => socket.end(), (socket: Socket) => socket.destroy()]
  for (const [leave, ms] of ways.flatMap((way) => [0, 10, 100].map((ms) => [way, ms] as const))) {
    const sockets = await Promise.all(Array.from({ length: 30 }, () => send(t, port, handshake({}))))
    await until(() => gates.length === 30, 'the check of all tokens')
    for (const socket of sockets.slice(0, 10)) leave(socket)
    await sleep(ms) // Some sockets end during the check, some immediately before its result.
    for (const socket of sockets.slice(10, 20)) leave(socket)
    for (const open of gates.splice(0)) open()
    for (const socket of sockets.slice(20)) leave(socket)
    await noSocketLeft(app)
    await until(() => app.hub.size === 0)
  }

  const healthy = connect(t, `${origin.replace('http', 'ws')}/admin/ws`)
  await until(() => gates.length === 1)
  gates[0]?.()
  const client = await healthy
  client.send('alive')
  t.equal(await client.next(), `${ECHO}alive`)
})

t.test('an upgrade whose token check never ends is destroyed at the handshake deadline', async (t) => {
  const app = Fastify()
  await app.register(fastifyHub, { ...IN_MEMORY, authenticate: () => new Promise<null>(() => {}), websocket: { handshakeTimeout: '100ms' } })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  await send(t, Number(new URL(origin).port), handshake({}))
  await until(async () => await connections(app) === 1)
  await noSocketLeft(app)
})

t.test('each upgrade has the whole handshake timeout, independent of earlier upgrades', async (t) => {
  const app = Fastify()
  await app.register(fastifyHub, { ...IN_MEMORY, authenticate: () => new Promise<null>(() => {}), websocket: { handshakeTimeout: '400ms' } })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  const lasted: number[] = []
  for (let n = 0; n < 3; n++) {
    const began = performance.now()
    const socket = await send(t, Number(new URL(origin).port), handshake({}))
    socket.on('close', () => lasted.push(performance.now() - began))
    socket.on('end', () => socket.end())
    await sleep(150)
  }
  await until(() => lasted.length === 3, 'the end of all sockets')
  t.ok(lasted.every((ms) => ms > 390 && ms < 900), `after 400 ms each: ${lasted.map(Math.round).join(', ')}`)
})

t.test('unusual handshake headers get a response at once', async (t) => {
  const { port } = await listen(t)
  for (const headers of [
    { 'Sec-WebSocket-Protocol': ' ,'.repeat(4000) },
    { 'Sec-WebSocket-Protocol': 'constructor, __proto__, toString' },
    { 'Sec-WebSocket-Extensions': 'constructor; __proto__; x=y'.repeat(200) },
    { 'Sec-WebSocket-Extensions': `permessage-deflate${'; a'.repeat(3000)}` }
  ] as Array<Record<string, string>>) {
    const started = Date.now()
    const answer = await rawRequest(port, handshake({ token: token(), headers }))
    t.match(answer, /^HTTP\/1\.1 (101|400) /)
    t.notMatch(answer, /Sec-WebSocket-Extensions/i, 'no compression unless it is enabled')
    t.ok(Date.now() - started < 1000)
  }
})

t.test('incomplete, invalid and missing bodies are refused, and the service continues to respond', async (t) => {
  const { app, origin, port } = await listen(t)
  const authorization = `Authorization: Bearer ${token({ roles: ['admin'] })}`
  for (const [title, bytes] of [
    ['an empty body', `POST /broadcast HTTP/1.1\r\nHost: x\r\n${authorization}\r\nContent-Length: 0\r\n\r\n`],
    ['no length', `POST /broadcast HTTP/1.1\r\nHost: x\r\n${authorization}\r\n\r\n`],
    ['junk for chunks', `POST /broadcast HTTP/1.1\r\nHost: x\r\n${authorization}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\njunk\r\n`],
    ['bytes that are not a request', '\x00\x01\x02\x03 /\r\n\r\n']
  ] as const) {
    t.match(await rawRequest(port, bytes), /^HTTP\/1\.1 4/, title)
  }
  const cut = await send(t, port, `POST /broadcast HTTP/1.1\r\nHost: x\r\n${authorization}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"mess`)
  await until(async () => await connections(app) > 0)
  cut.resetAndDestroy()
  t.equal((await fetch(`${origin}/healthz`)).status, 200)
})
