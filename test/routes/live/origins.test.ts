// Pages of other origins at every endpoint: a browser sends cookies along, and shows a page what CORS allows.
import Fastify from 'fastify'
import t from 'tap'
import { fastifyHub } from '../../../index.ts'
import { connect, IN_MEMORY, listen, token } from '../../support/helper.ts'
import { handshake, rawRequest } from '../../support/raw-client.ts'

const ALLOWED = 'https://app.example.com'
const COMPAT = { ginServer: 'token', learnGin: 'token', pushMessage: 'token' } as const
const WEBSOCKETS = ['/admin/ws', '/ws', '/echo', '/client/alice', '/getPushNews?userId=alice']
const POSTS = ['/sendall', '/message', '/message/alice']
const FOREIGN = [
  'https://evil.example', 'null', 'file://', '', 'http://app.example.com', 'https://app.example.com.evil.example', 'https://xapp.example.com', 'https://app.example.com:444', 'https://app.example.com:443x',
  'https://app.example.com@evil.example', 'https://evil.example#https://app.example.com', 'https://evil.example/https://app.example.com', 'https://app.example.com/', 'https://APP.example.com', 'HTTPS://app.example.com',
  'https://app.example.com.', 'https://app.example.com, https://evil.example', 'https://xn--pp-5fa.example.com', 'https://\u00e0pp.example.com', 'https://app%2eexample.com', '*', '*.example.com', 'https://127.0.0.1', 'http://localhost', 'chrome-extension://x'
]

const statusOf = (response: string): number => Number(/^HTTP\/1\.1 (\d{3}) /.exec(response)?.[1] ?? 0)

t.test('at every endpoint, a page of an origin that is not listed exactly is refused, and a listed page is served', async (t) => {
  const { port, origin } = await listen(t, { compat: COMPAT, websocket: { allowedOrigins: [ALLOWED], upgradesPerSecond: 0, maxClientsPerUser: 0 } })
  const bearer = token({ roles: ['admin'] })
  /** The status of a request of a page. `Upgrade` and its companions are left out where the endpoint is none for WebSocket. */
  const from = async (page: string, path: string): Promise<number> => {
    const headers = { Origin: page, Host: `127.0.0.1:${port}`, Authorization: `Bearer ${bearer}` }
    if (WEBSOCKETS.includes(path)) return statusOf(await rawRequest(port, Buffer.from(handshake({ path, headers }), 'latin1')))
    const method = POSTS.includes(path) ? 'POST' : 'GET'
    const lines = Object.entries({ ...headers, Connection: 'close', ...(method === 'POST' ? { 'Content-Length': '3', 'Content-Type': 'application/json' } : {}) }).map(([name, value]) => `${name}: ${value}\r\n`)
    return statusOf(await rawRequest(port, Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${method === 'POST' ? '"x"' : ''}`, 'latin1')))
  }
  const served: string[] = []
  for (const path of [...WEBSOCKETS, ...POSTS]) {
    for (const page of FOREIGN) {
      const status = await from(page, path)
      if (status !== 403) served.push(`${path} from ${page}: ${status}`)
    }
    for (const page of [ALLOWED, origin]) t.ok([101, 200].includes(await from(page, path)), `${path} from ${page}`)
  }
  t.same(served, [])
})

t.test('the response of an event stream is for pages of listed origins only', async (t) => {
  const { origin } = await listen(t, { websocket: { allowedOrigins: [ALLOWED], maxClientsPerUser: 0, upgradesPerSecond: 0 } })
  const shown: string[] = []
  for (const page of [...FOREIGN.filter((one) => one !== ''), ALLOWED]) {
    const response = await fetch(`${origin}/admin/events?token=${token()}`, { headers: { origin: Buffer.from(page).toString('latin1') } })
    if (response.status === 200 || response.headers.has('access-control-allow-origin')) shown.push(`${response.status} ${response.headers.get('access-control-allow-origin')}`)
    await response.body?.cancel()
  }
  t.same(shown, [`200 ${ALLOWED}`])
})

t.test('a page of another origin cannot use the cookie of a user', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  let checks = 0
  const authenticate = (_token: string | null, { headers }: { headers: { cookie?: string | undefined } }) => {
    checks++
    return headers.cookie === 'session=alice' ? { user: 'alice', roles: ['admin'] } : null
  }
  await app.register(fastifyHub, { ...IN_MEMORY, authenticate, api: true })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const port = Number(new URL(origin).port)
  const Cookie = 'session=alice'
  const Host = `127.0.0.1:${port}`
  t.match(await rawRequest(port, handshake({ headers: { Host, Cookie, Origin: 'https://evil.example' } })), /^HTTP\/1\.1 403 [^]*HUB_ORIGIN_REFUSED/)
  t.equal((await fetch(`${origin}/admin/events`, { headers: { cookie: Cookie, origin: 'https://evil.example' } })).status, 403)
  t.equal(checks, 0, 'before the check')
  t.match(await rawRequest(port, handshake({ headers: { Host, Cookie, Origin: origin } })), /^HTTP\/1\.1 101 /)
})

t.test('no response of the API allows a page of another origin to read or to call it', async (t) => {
  const { app, origin, url } = await listen(t, { websocket: { allowedOrigins: [ALLOWED] } })
  const client = await connect(t, url)
  const headers = { origin: ALLOWED, authorization: `Bearer ${token({ roles: ['admin'] })}` }
  for (const [method, path] of [['OPTIONS', '/broadcast'], ['OPTIONS', '/clients'], ['GET', '/clients'], ['GET', '/readyz']] as const) {
    const response = await fetch(origin + path, { method, headers: { ...headers, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' } })
    t.equal(response.headers.get('access-control-allow-origin'), null, `${method} ${path}`)
    t.ok(method === 'GET' || response.status >= 400, 'a preflight is refused')
    await response.body?.cancel()
  }
  // A form of a page needs no preflight, and its type is no JSON.
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
    const response = await fetch(`${origin}/broadcast`, { method: 'POST', headers: { ...headers, 'content-type': type }, body: '{"message":"x"}' })
    t.equal(response.status, 415, type)
  }
  t.same(await client.quiet(), [])
  t.equal(app.hub.size, 1)
})
