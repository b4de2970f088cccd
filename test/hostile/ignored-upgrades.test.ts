import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect as dial, type Socket } from 'node:net'
import { connect as dialTls } from 'node:tls'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { fastifyHub } from '../../index.ts'
import { packagePath } from '../../services/cli/package.ts'
import { IN_MEMORY, SECRET, token, until } from '../support/helper.ts'
import { handshake, rawRequest } from '../support/raw-client.ts'

/** Headers of Java's HttpClient and of `curl --http2`. */
const H2C = { Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' }
const NO_WEBSOCKET = { 'Sec-WebSocket-Version': null, 'Sec-WebSocket-Key': null }
type Headers = Record<string, string | null>

/** A request that offers another protocol than WebSocket. */
function offer (method: string, path: string, headers: Headers = {}, version = 'HTTP/1.1'): string {
  return handshake({ method, path, version, headers: { ...NO_WEBSOCKET, ...H2C, ...headers } })
}

const text = (length: number): Headers => ({ 'Content-Type': 'text/plain', 'Content-Length': String(length) })
const chunked: Headers = { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' }
const plain = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

/**
 * A part of a conversation: the bytes of one write, and the number of requests that the server has begun or of
 * responses that the client has received before the next write.
 */
interface Part { write: string, requests?: number, responses?: number }
/** A conversation on one connection, and its responses. Each request runs once, in any order. */
interface Conversation { title: string, parts: readonly Part[], responses: readonly string[], ends?: true }

const CONVERSATIONS: readonly Conversation[] = [
  { title: 'no body', parts: [{ write: offer('GET', '/1') }], responses: ['200 GET /1'] },
  { title: 'no body, and a pipelined request', parts: [{ write: offer('GET', '/1') + plain('/2') }], responses: ['200 GET /1', '200 GET /2'] },
  {
    title: 'no body, and the start of a pipelined request',
    parts: [{ write: offer('GET', '/1') + plain('/2').slice(0, 9), responses: 1 }, { write: plain('/2').slice(9) }],
    responses: ['200 GET /1', '200 GET /2']
  },
  { title: 'DELETE', parts: [{ write: offer('DELETE', '/1') + plain('/2') }], responses: ['200 DELETE /1', '200 GET /2'] },
  { title: 'a body', parts: [{ write: `${offer('POST', '/1', text(3))}abc` }], responses: ['200 POST /1 abc'] },
  { title: 'a body, and a pipelined request', parts: [{ write: `${offer('POST', '/1', text(3))}abc${plain('/2')}` }], responses: ['200 POST /1 abc', '200 GET /2'] },
  {
    title: 'a body in later packets, and a pipelined request',
    parts: [{ write: offer('POST', '/1', text(3)), requests: 1 }, { write: 'ab' }, { write: `c${plain('/2')}` }],
    responses: ['200 POST /1 abc', '200 GET /2']
  },
  { title: 'an empty body', parts: [{ write: offer('POST', '/1', text(0)) + plain('/2') }], responses: ['200 POST /1', '200 GET /2'] },
  { title: 'chunks', parts: [{ write: `${offer('POST', '/1', chunked)}3\r\nabc\r\n0\r\n\r\n${plain('/2')}` }], responses: ['200 POST /1 abc', '200 GET /2'] },
  {
    title: 'chunks in later packets',
    parts: [{ write: `${offer('POST', '/1', chunked)}2\r\nab`, requests: 1 }, { write: `\r\n1\r\nc\r\n0\r\n\r\n${plain('/2')}` }],
    responses: ['200 POST /1 abc', '200 GET /2']
  },
  {
    title: 'a body that looks like a request',
    parts: [{ write: `${offer('POST', '/1', text(plain('/no').length))}${plain('/no')}${plain('/2')}` }],
    responses: [`200 POST /1 ${plain('/no').trim()}`, '200 GET /2']
  },
  {
    title: 'a body after 100 Continue',
    parts: [{ write: offer('POST', '/1', { ...text(3), Expect: '100-continue' }), responses: 1 }, { write: `abc${plain('/2')}` }],
    responses: ['100', '200 POST /1 abc', '200 GET /2']
  },
  { title: 'a request before it', parts: [{ write: plain('/1') + offer('GET', '/2') + plain('/3') }], responses: ['200 GET /1', '200 GET /2', '200 GET /3'] },
  {
    title: 'many offers on one connection',
    parts: [{ write: offer('GET', '/1').repeat(3), responses: 3 }, { write: `${offer('POST', '/2', text(1))}a`.repeat(12) }],
    responses: [...Array<string>(3).fill('200 GET /1'), ...Array<string>(12).fill('200 POST /2 a')]
  },
  { title: 'Connection: close', parts: [{ write: offer('GET', '/1', { Connection: 'Upgrade, close' }) + plain('/no'), responses: 1 }], responses: ['200 GET /1'], ends: true },
  { title: 'HTTP/1.0', parts: [{ write: offer('GET', '/1', {}, 'HTTP/1.0') }], responses: ['200 GET /1'], ends: true },
  { title: 'HTTP/1.0 with keep-alive', parts: [{ write: offer('GET', '/1', { Connection: 'Upgrade, keep-alive' }, 'HTTP/1.0') }], responses: ['200 GET /1'] },
  { title: 'an empty Upgrade', parts: [{ write: offer('GET', '/1', { Upgrade: '' }) + plain('/2') }], responses: ['200 GET /1', '200 GET /2'] },
  { title: 'chunks that are none', parts: [{ write: `${offer('POST', '/1', chunked)}zz\r\n\r\n` }], responses: ['400'], ends: true },
  { title: 'junk behind it', parts: [{ write: offer('GET', '/1'), responses: 1 }, { write: '\x00\r\n\r\n' }], responses: ['200 GET /1', '400'], ends: true }
]

/** Offers that another listener of the server may take. */
const OTHERS: readonly Conversation[] = [
  { title: 'several protocols', parts: [{ write: offer('GET', '/1', { Upgrade: 'h2c, websocket' }) + plain('/2') }], responses: ['200 GET /1', '200 GET /2'] },
  { title: 'another protocol with a body', parts: [{ write: `${offer('POST', '/1', { Upgrade: 'x-own', ...text(3) })}abc${plain('/2')}` }], responses: ['200 POST /1 abc', '200 GET /2'] },
  { title: 'a pipelined WebSocket handshake', parts: [{ write: offer('GET', '/1') + handshake({ token: token() }) + plain('/2') }], responses: ['200 GET /1', '426', '200 GET /2'] },
  { title: 'no WebSocket at the endpoint', parts: [{ write: offer('GET', '/admin/ws', { Upgrade: 'h2c, websocket' }) }], responses: ['426'] }
]

const TLS = { cert: readFileSync(packagePath('test', 'fixtures', 'localhost.crt')), key: readFileSync(packagePath('test', 'fixtures', 'localhost.key')) }

/** An application with a hub, and a route that records each request. */
async function listen (t: Test, options: object = {}) {
  const app: FastifyInstance = Fastify(options)
  t.teardown(() => app.close())
  const ran: string[] = []
  await app.register(fastifyHub, { ...IN_MEMORY, auth: { secret: SECRET } })
  app.route({ method: ['GET', 'POST', 'DELETE'], url: '/*', handler: ({ method, url, body }) => {
    const line = `${method} ${url} ${typeof body === 'string' ? body : ''}`.trim()
    ran.push(line)
    return line
  } })
  const begun = { requests: 0, connections: 0 }
  app.get('/pad/:nr/:length', ({ params }) => {
    const { nr, length } = params as { nr: string, length: string }
    return nr.padEnd(Number(length), '.')
  })
  app.server.on('request', () => { begun.requests++ })
  app.server.on('connection', () => { begun.connections++ })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  return { app, ran, begun, port: Number(port) }
}

/** Returns the status and the body of each complete response in a text. */
function responsesOf (received: string): string[] {
  return received.split(/(?=HTTP\/1\.1 \d)/).flatMap((response) => {
    const [head = '', body] = response.split(/\r\n\r\n([^]*)/)
    const status = head.slice(9, 12)
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (body === undefined || body.length < length) return []
    return [status === '200' ? `200 ${body.trim()}` : status]
  })
}

/** Has a conversation. Behind it, a request that the server keeps the connection for proves that both are in step. */
async function converse (t: Test, socket: Socket, { ran, begun }: Awaited<ReturnType<typeof listen>>, conversation: Conversation): Promise<void> {
  let received = ''
  t.teardown(() => socket.destroy())
  socket.on('error', () => {}) // A reset behind a refusal is a valid end.
  socket.setEncoding('latin1').on('data', (chunk: string) => { received += chunk })
  const { parts, responses, ends } = conversation
  const before = begun.requests
  ran.length = 0
  for (const { write, requests = 0, responses: count = 0 } of parts) {
    socket.write(write)
    await until(() => begun.requests - before >= requests && responsesOf(received).length >= count, `${requests} requests and ${count} responses`)
  }
  await until(() => responsesOf(received).length >= responses.length, 'all responses')
  if (ends === true) await until(() => socket.closed || socket.readableEnded, 'the end of the connection')
  else {
    socket.write(plain('/last'))
    await until(() => responsesOf(received).length > responses.length, 'the response to the last request')
  }
  const all = ends === true ? responses : [...responses, '200 GET /last']
  t.same({ responses: responsesOf(received), ran: [...ran].sort() },
    { responses: all, ran: all.filter((response) => response.startsWith('200 ')).map((response) => response.slice(4)).sort() })
}

t.test('a request that offers another protocol is served as a plain HTTP request, and its connection stays in step', async (t) => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  for (const [title, options, prepare] of [
    ['over TCP', {}],
    ['over TLS', { https: TLS }],
    ['over TLS, beside HTTP/2', { http2: true, https: { ...TLS, allowHTTP1: true } }],
    ['with a listener of the application for the bytes', {}, ({ server }) => { server.on('connection', (socket) => socket.on('data', () => {})) }],
    ['with a listener of the application for upgrades', {}, ({ server }) => { server.on('upgrade', (_request, socket) => socket.destroy()) }]
  ] as ReadonlyArray<[title: string, options: object, prepare?: (app: FastifyInstance) => void]>) {
    await t.test(title, async (t) => {
      const service = await listen(t, options)
      prepare?.(service.app)
      const isOverTls = 'https' in options
      const conversations = title.endsWith('for upgrades') ? CONVERSATIONS : [...CONVERSATIONS, ...OTHERS]
      for (const conversation of conversations) {
        await t.test(conversation.title, async (t) => {
          const address = { port: service.port, host: '127.0.0.1' }
          const socket = isOverTls ? dialTls({ ...address, ca: TLS.cert, servername: 'localhost', ALPNProtocols: ['http/1.1'] }) : dial(address)
          await once(socket, isOverTls ? 'secureConnect' : 'connect')
          await converse(t, socket, service, conversation)
        })
      }
      t.equal(service.begun.connections, conversations.length, 'listeners of the application for connections run once')
    })
  }
  t.same(warnings, [], 'no listener stays on a socket')
})

t.test('offers get all responses in order when a client reads slowly', async (t) => {
  const { port } = await listen(t)
  const size = 300_000
  const socket = dial({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  const numbers = Array.from({ length: 40 }, (_, nr) => String(nr))
  socket.write(numbers.map((nr) => offer('GET', `/pad/${nr}/${size}`)).join(''))
  // The first response waits for the reader: Node stops reading requests until its output has drained.
  await once(socket, 'readable')
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => { received += chunk })
  await until(() => received.endsWith(`\r\n\r\n${'39'.padEnd(size, '.')}`), 'the last response')
  t.same(responsesOf(received).map((response) => /^200 (\d+)\.+$/.exec(response)?.[1]), numbers)
})

t.test('an upgrade to a protocol of the application goes to its listener alone', async (t) => {
  const service = await listen(t)
  service.app.server.on('upgrade', ({ headers }, socket) => {
    if (headers.upgrade === 'x-own') socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x-own\r\nConnection: Upgrade\r\n\r\nown')
  })
  t.match(await rawRequest(service.port, offer('GET', '/1', { Upgrade: 'x-own' }), { until: 'end' }), /^HTTP\/1\.1 101 [^]*own$/)
  t.match(await rawRequest(service.port, handshake({ token: token() })), /^HTTP\/1\.1 101 /)
  t.same(service.ran, [], 'no route has run')
  for (const client of service.app.websocketServer.clients) client.terminate()
})

t.test('a WebSocket handshake behind an offer is completed', async (t) => {
  const { app, port } = await listen(t)
  const socket = dial({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => { received += chunk })
  socket.write(`${offer('POST', '/1', text(3))}abc`)
  await until(() => responsesOf(received).length === 1, 'the response to the offer')
  socket.write(handshake({ token: token() }))
  await until(() => app.hub.size === 1 && received.includes('HTTP/1.1 101 '), 'the WebSocket')
  socket.destroy()
  await until(() => app.hub.size === 0)
})

t.test('a WebSocket handshake with a body is refused, whether the body arrives or not', async (t) => {
  const { app, port } = await listen(t)
  for (const [title, request] of [
    ['a body', `${handshake({ token: token(), headers: { 'Content-Length': '3' } })}abc`],
    ['a body and more', `${handshake({ token: token(), headers: { 'Content-Length': '3' } })}abc${plain('/no')}`],
    ['half a body', `${handshake({ token: token(), headers: { 'Content-Length': '3' } })}a`],
    ['the announcement of a body', handshake({ token: token(), headers: { 'Content-Length': '3' } })],
    ['chunks', `${handshake({ token: token(), headers: { 'Transfer-Encoding': 'chunked' } })}3\r\nabc\r\n0\r\n\r\n`]
  ] as const) {
    t.match(await rawRequest(port, request, { until: 'end' }), /^HTTP\/1\.1 400 [^]*HUB_HANDSHAKE_INVALID[^]*without a body/, title)
  }
  t.equal(app.hub.size, 0)
})

t.test('an application decides with shouldUpgradeCallback about upgrades to WebSocket, where Node has it', async (t) => {
  const asked: unknown[] = []
  const decide = ({ headers }: { headers: { upgrade?: string } }): boolean => { asked.push(headers.upgrade); return false }
  const { port } = await listen(t, { http: { shouldUpgradeCallback: decide } })
  const isAsked = 'shouldUpgradeCallback' in createServer()
  t.match(await rawRequest(port, handshake({ token: token() })), isAsked ? /^HTTP\/1\.1 426 / : /^HTTP\/1\.1 101 /)
  t.match(await rawRequest(port, offer('GET', '/1')), /^HTTP\/1\.1 200 /)
  t.same(asked, isAsked ? ['websocket'] : [])
})
