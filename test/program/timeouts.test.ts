import { once } from 'node:events'
import { connect } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { app, serverOptions } from '../../app.ts'
import { completeConfig } from '../../services/config/load.ts'
import { IN_MEMORY, SECRET, token, until } from '../support/helper.ts'

/** Serves with the options of the service, but with shorter times. */
async function listen (t: Test): Promise<number> {
  return (await serve(t)).port
}

async function serve (t: Test): Promise<{ fastify: FastifyInstance, port: number }> {
  const compat = { ginServer: 'open', pushMessage: 'open' } as const
  const websocket = { drain: { grace: '100ms' } } as const
  const config = completeConfig({ ...IN_MEMORY, auth: { secret: SECRET }, compat, websocket, logger: { level: 'silent' } })
  const options = serverOptions(config)
  const http = { ...options.http, headersTimeout: 300, connectionsCheckingInterval: 50 }
  const fastify = Fastify({ ...options, requestTimeout: 600, http })
  await fastify.register(app, { config })
  t.teardown(() => fastify.close())
  return { fastify, port: Number(new URL(await fastify.listen({ port: 0, host: '127.0.0.1' })).port) }
}

/** Sends a text and resolves at the end of the connection with the status codes of the responses. */
async function statusesOf (t: Test, port: number, text: string): Promise<string[]> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let received = ''
  socket.on('data', (chunk: Buffer) => { received += chunk.toString() })
  socket.write(text)
  await once(socket, 'close')
  return received.match(/(?<=HTTP\/1\.1 )\d+/g) ?? []
}

t.test('headers have 10 s, and a request has 30 s, both checked every second', async (t) => {
  const { keepAliveTimeout, requestTimeout, http } = serverOptions(completeConfig())
  t.match({ keepAliveTimeout, requestTimeout, http }, {
    keepAliveTimeout: 72_000, requestTimeout: 30_000, http: { headersTimeout: 10_000, connectionsCheckingInterval: 1000 }
  })
})

t.test('a request that does not arrive completely ends with 408, on every route', async (t) => {
  const port = await listen(t)
  const post = (path: string, length = 'Content-Length: 100') => {
    return `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token({ roles: ['admin'] })}\r\nContent-Type: application/json\r\n${length}\r\n\r\n`
  }
  const requests = {
    'half a head': 'GET /healthz HTTP/1.1\r\nHost: x\r\n',
    'no byte at all': '',
    REST: `${post('/broadcast')}{`,
    'REST, in chunks': `${post('/users/bob/messages', 'Transfer-Encoding: chunked')}5\r\n{`,
    'an endpoint of an older service': `${post('/message').replace('application/json', 'application/x-www-form-urlencoded')}a`,
    'no route': `${post('/nowhere')}{`,
    'behind a whole request of the same connection': `GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n${post('/broadcast')}{`
  }
  const statuses = await Promise.all(Object.values(requests).map((text) => statusesOf(t, port, text)))
  t.same(Object.fromEntries(Object.keys(requests).map((name, n) => [name, statuses[n]])), {
    'half a head': ['408'],
    'no byte at all': ['408'],
    REST: ['408'],
    'REST, in chunks': ['408'],
    'an endpoint of an older service': ['408'],
    'no route': ['408'],
    'behind a whole request of the same connection': ['200', '408']
  })
})

t.test('a body that arrives byte by byte does not extend the time of its request', async (t) => {
  const port = await listen(t)
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}) // The service closes while the client writes.
  let received = ''
  socket.on('data', (chunk: Buffer) => { received += chunk.toString() })
  socket.write(`POST /broadcast HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token({ roles: ['admin'] })}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n`)
  const writing = setInterval(() => socket.write(' '), 20)
  t.teardown(() => clearInterval(writing))
  await once(socket, 'close')
  t.match(received, /^HTTP\/1\.1 408 /)
})

t.test('a half request behind an event stream ends the connection, and writes no response into the stream', async (t) => {
  const port = await listen(t)
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  let received = ''
  socket.on('data', (chunk: Buffer) => { received += chunk.toString() })
  socket.write(`GET /admin/events?token=${token()} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await until(() => received.includes('data:'), 'the greeting')
  const ended = once(socket, 'close')
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n')
  await ended
  t.same(received.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'])
})

t.test('neither an unused connection nor half a request nor an idle connection delays the close', async (t) => {
  const { fastify, port } = await serve(t)
  const texts = ['', 'GET /healthz HTTP/1.1\r\nHost: x\r\n', 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n']
  const sockets = texts.map((text) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(text)
    return socket.resume()
  })
  await once(sockets[2] ?? fastify.server, 'data')
  const started = Date.now()
  await fastify.close()
  t.ok(Date.now() - started < 3000)
})
