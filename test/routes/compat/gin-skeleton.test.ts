import Fastify from 'fastify'
import t from 'tap'
import { WebSocket } from 'ws'
import { fastifyHub } from '../../../index.ts'
import { IN_MEMORY, listen, TestClient, token } from '../../support/helper.ts'
import { handshake, rawConnect, rawRequest } from '../../support/raw-client.ts'
import { RELIABLE, connectJson } from '../../support/json-client.ts'

const TOKEN = '0123456789'

t.test('refusals carry the headers for pages of other origins, and only refusals do', async (t) => {
  const { port, origin } = await listen(t, { compat: { ginSkeleton: 'open' } })
  const answer = await rawRequest(port, handshake({}))
  for (const line of [
    'access-control-allow-origin: *',
    'access-control-allow-headers: Access-Control-Allow-Headers,Authorization,User-Agent, Keep-Alive, Content-Type, X-Requested-With,X-CSRF-Token,AccessToken,Token',
    'access-control-allow-methods: GET, POST, DELETE, PUT, PATCH, OPTIONS',
    'access-control-expose-headers: Content-Length, Access-Control-Allow-Origin, Access-Control-Allow-Headers, Content-Type',
    'access-control-allow-credentials: true'
  ]) t.ok(answer.includes(`\r\n${line}\r\n`), line)
  t.notOk((await fetch(`${origin}/healthz`)).headers.has('access-control-allow-origin'))
})

t.test('an error that GinSkeleton did not have gets the hub\'s response', async (t) => {
  const { port } = await listen(t, { compat: { ginSkeleton: 'open' }, websocket: { maxClients: 1 } })
  t.match(await rawRequest(port, handshake({ token: TOKEN, headers: { Origin: 'https://elsewhere.example' } })), /^HTTP\/1\.1 403 .*HUB_ORIGIN_REFUSED/s)
  const client = await rawConnect({ port, token: TOKEN })
  t.teardown(() => client.destroy())
  t.match(await rawRequest(port, handshake({ token: TOKEN })), /^HTTP\/1\.1 503 .*HUB_FULL/s)
})

t.test('clients of the subprotocols are met as ever: greeting, refusal and rights', async (t) => {
  const { url, port } = await listen(t, { compat: { ginSkeleton: 'token', ginSkeletonRefusal: 'empty-200' } })
  const reliable = await connectJson(t, url, { user: 'bob' })
  t.equal(reliable.socket.protocol, RELIABLE)
  t.match(await rawRequest(port, handshake({ token: 'nonsense-nonsense', headers: { 'Sec-WebSocket-Protocol': RELIABLE } })), /^HTTP\/1\.1 401 .*HUB_TOKEN_INVALID/s)
})

t.test('mode open gives no rights: users without a token of the service have no role, and the REST API stays closed', async (t) => {
  const { app, origin, url } = await listen(t, { compat: { ginSkeleton: 'open' } })
  const stranger = new TestClient(new WebSocket(`${url}?token=${TOKEN}`))
  t.teardown(() => stranger.socket.terminate())
  await stranger.next()
  const known = new TestClient(new WebSocket(`${url}?token=${token({ user: 'operator', roles: ['admin'] })}`))
  t.teardown(() => known.socket.terminate())
  await known.next()
  const { clients } = await app.hub.clients()
  t.match(clients, [{ user: /^demo-[0-9a-f]{12}$/, roles: [] }, { user: 'operator', roles: ['admin'] }])
  t.equal((await fetch(`${origin}/clients?token=${TOKEN}`)).status, 401)
  t.equal((await fetch(`${origin}/admin/events?token=${TOKEN}`)).status, 401)
})

t.test('a token that has expired is refused, although it is long enough', async (t) => {
  const { port } = await listen(t, { compat: { ginSkeleton: 'open' } })
  t.match(await rawRequest(port, handshake({ token: token({ ttlSeconds: -1 }) })), /^HTTP\/1\.1 400 .*The token has expired/s)
})

t.test('an application handles client messages, as without compat', async (t) => {
  const { app, url } = await listen(t, { compat: { ginSkeleton: 'open' } })
  app.hub.onMessage((client, data) => client.reply(`heard ${String(data)}`))
  const client = new TestClient(new WebSocket(`${url}?token=${TOKEN}`))
  t.teardown(() => client.socket.terminate())
  await client.next()
  client.send('x')
  t.equal(await client.next(), 'heard x')
})

t.test('a failing token check refuses every client', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyHub, { ...IN_MEMORY, compat: { ginSkeleton: 'open' }, authenticate: async () => { throw new Error('the database is down') } })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  t.match(await rawRequest(Number(port), handshake({ token: TOKEN })), /^HTTP\/1\.1 500 .*HUB_INTERNAL/s)
})
