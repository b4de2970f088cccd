// The log of refusals: whoever runs the service learns who was refused and why, and nobody can flood the log.

import { connect as connectSocket } from 'node:net'
import { pino } from 'pino'
import t from 'tap'
import { RefusalLog } from '../../services/transport/http/refusal-log.ts'
import { openEvents } from '../support/event-client.ts'
import { api, connect, listen, LogLines, token, until } from '../support/helper.ts'
import { handshake, rawConnect, rawRequest } from '../support/raw-client.ts'

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`

t.test('every refusal is logged with method, path, address and code, and without the token', async (t) => {
  const compat = { ginServer: 'open', pushMessage: 'open' } as const
  const { app, log, origin, port, url } = await listen(t, { compat, websocket: { maxClientsPerUser: 1 } })
  await connect(t, url, { user: 'full' })
  const [bearer, expired] = [token({ user: 'full' }), token({ ttlSeconds: -1 })]
  const spare = await openEvents(t, origin, { user: 'sent-away' })
  await app.hub.disconnect({ user: 'sent-away' })
  await until(() => spare.isEnded)

  const cases: Array<[kind: string, request: string, line: Record<string, unknown>]> = [
    ['a request without a token', get('/clients'), { path: '/clients', code: 'HUB_TOKEN_MISSING' }],
    ['a request without the role', get(`/clients?token=${bearer}`), { path: '/clients', code: 'HUB_FORBIDDEN' }],
    ['no route', get(`/nowhere?token=${bearer}`), { path: '/nowhere', code: 'HUB_NOT_FOUND' }],
    ['another method', get('/broadcast'), { path: '/broadcast', code: 'HUB_METHOD_NOT_ALLOWED' }],
    ['an address that is no URL', get(`/%zz?token=${bearer}`), { path: '/%zz', code: 'HUB_REQUEST_INVALID' }],
    ['a body of another type', `POST /broadcast?token=${token({ roles: ['admin'] })} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx`, { method: 'POST', path: '/broadcast', code: 'HUB_CONTENT_TYPE_UNSUPPORTED' }],
    ['an upgrade without a token', handshake({}), { path: '/admin/ws', code: 'HUB_TOKEN_MISSING', statusCode: 401 }],
    ['an upgrade to another route', handshake({ path: '/clients' }), { path: '/clients', code: 'HUB_UPGRADE_REQUIRED' }],
    ['an upgrade of a foreign page', handshake({ token: bearer, headers: { Origin: 'https://evil.example' } }), { path: '/admin/ws', code: 'HUB_ORIGIN_REFUSED' }],
    ['an invalid handshake of an older client', handshake({ path: '/ws', headers: { 'Sec-WebSocket-Key': 'x' } }), { path: '/ws', code: 'HUB_HANDSHAKE_INVALID' }],
    ['an unknown client of an older service', 'DELETE /client/nobody HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', { method: 'DELETE', path: '/client/nobody', code: 'HUB_NOT_FOUND' }],
    ['an event stream for now', get(`/admin/events?token=${bearer}`), { path: '/admin/events', code: 'HUB_USER_FULL', statusCode: 200 }],
    ['an event stream that was sent away', get(`/admin/events?token=${token({ user: 'sent-away' })}`), { path: '/admin/events', code: 'HUB_FORBIDDEN', statusCode: 204 }]
  ]
  for (const [kind, request, expected] of cases) {
    const before = log.lines.length
    await rawRequest(port, request)
    await until(() => log.lines.length > before, `the log line of ${kind}`)
    t.match(log.lines[before], { level: 30, method: 'GET', address: '127.0.0.1', ...expected }, kind)
  }
  for (const [bearer, code, closeCode] of [[expired, 'HUB_TOKEN_EXPIRED', 4401], [token({ user: 'full' }), 'HUB_USER_FULL', 1013]] as const) {
    const before = log.lines.length
    const client = await rawConnect({ port, token: bearer, headers: { 'Sec-WebSocket-Protocol': 'hub.raw' } })
    t.equal((await client.closed()).code, closeCode)
    t.match(log.lines[before], { method: 'GET', path: '/admin/ws', address: '127.0.0.1', code, closeCode })
    client.destroy()
  }
  const before = log.lines.length
  await rawRequest(port, 'no HTTP\r\n\r\n')
  t.match(log.lines[before], { level: 30, address: '127.0.0.1', code: 'HUB_REQUEST_INVALID', statusCode: 400, msg: 'request could not be read' })
  t.notMatch(log.text, /eyJ/, 'no token is in the log')
  await api(origin, 'GET', '/clients')
})

t.test('an upgrade that its token check does not finish in time is logged', async (t) => {
  const { default: Fastify } = await import('fastify')
  const { fastifyHub } = await import('../../index.ts')
  const log = new LogLines()
  const app = Fastify({ logger: { stream: log } })
  t.teardown(() => app.close())
  const websocket = { handshakeTimeout: '50ms' } as const
  await app.register(fastifyHub, { authenticate: () => new Promise(() => {}), engine: { kind: 'memory' }, websocket })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const socket = connectSocket(Number(port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(handshake({ token: token() }))
  await until(() => log.text.includes('HUB_REQUEST_TIMEOUT'), 'the log line')
  t.match(log.lines.at(-1), { address: '127.0.0.1', code: 'HUB_REQUEST_TIMEOUT' })
})

t.test('a flood of refusals of one code leaves ten lines and a count, and hides no other code', async (t) => {
  const lines = new LogLines()
  const refusals = new RefusalLog(pino(lines), 50)
  for (let n = 0; n < 500; n++) refusals.add('HUB_TOKEN_INVALID', { n }, 'request refused')
  for (let n = 0; n < 3; n++) refusals.add('HUB_FULL', { n }, 'request refused')
  t.equal(lines.lines.length, 13)
  await until(() => lines.lines.length > 13)
  t.match(lines.lines.at(-1), { suppressed: { HUB_TOKEN_INVALID: 490 }, msg: 'more requests were refused' })
  refusals.add('HUB_TOKEN_INVALID', {}, 'request refused')
  t.match(lines.lines.at(-1), { msg: 'request refused' }, 'later refusals are logged again')
})

t.test('clients without a token cannot flood the log of the service', async (t) => {
  const { log, origin } = await listen(t)
  const statuses = await Promise.all(Array.from({ length: 60 }, async (_, n) => (await fetch(`${origin}/nothing-${n}`)).status))
  t.equal(statuses.every((status) => status === 404), true)
  t.equal(log.lines.filter(({ msg }) => msg === 'request refused').length, 10)
})
