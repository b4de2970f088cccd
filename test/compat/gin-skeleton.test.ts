import t from 'tap'
import { WebSocket } from 'ws'
import { connect, listen, TestClient, token } from '../helper.ts'
import { handshake, rawConnect, rawRequest } from '../raw-client.ts'
import { RELIABLE, welcome } from '../routes/json-client.ts'

const TOKEN = '0123456789'

/** The lines of an answer's head. */
const headOf = (answer: string): string[] => (answer.split('\r\n\r\n')[0] ?? '').split('\r\n')

t.test('a handshake is answered with the headers of gorilla/websocket, in their order, and no others', async (t) => {
  const { port } = await listen(t, { compat: { ginSkeleton: 'open', ginServer: 'open', learnGin: 'open', pushMessage: 'open' } })
  for (const path of [`/admin/ws?token=${TOKEN}`, '/ws', '/echo', '/client/alice', '/getPushNews?userId=alice']) {
    const client = await rawConnect({ port, path })
    t.teardown(() => client.destroy())
    t.match(headOf(client.head), ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', /^Sec-WebSocket-Accept: \S{28}$/], path)
    t.equal(headOf(client.head).length, 4)
  }
})

t.test('what is no handshake is refused as gorilla/websocket did, whatever is wrong with it', async (t) => {
  const { port } = await listen(t, { compat: { ginSkeleton: 'open', ginSkeletonRefusal: 'empty-200', ginServer: 'open', learnGin: 'open', pushMessage: 'open' } })
  for (const path of [`/admin/ws?token=${TOKEN}`, '/ws', '/echo', '/client/alice']) {
    const faulty = [
      `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`,
      handshake({ path, headers: { 'Sec-WebSocket-Version': '12' } }),
      handshake({ path, headers: { 'Sec-WebSocket-Key': 'short' } })
    ]
    for (const request of faulty) {
      const answer = await rawRequest(port, request)
      t.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n[^]*\r\n\r\nBad Request\n/, path)
      for (const line of [/^content-type: text\/plain; charset=utf-8$/im, /^sec-websocket-version: 13$/im, /^x-content-type-options: nosniff$/im]) t.match(answer, line)
    }
  }
})

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

t.test('what GinSkeleton had no word for is refused in the hub\'s words', async (t) => {
  const { port } = await listen(t, { compat: { ginSkeleton: 'open' }, websocket: { maxClients: 1 } })
  const client = await rawConnect({ port, token: TOKEN })
  t.teardown(() => client.destroy())
  t.match(await rawRequest(port, handshake({ token: TOKEN })), /^HTTP\/1\.1 503 .*HUB_FULL/s)
  t.match(await rawRequest(port, handshake({ token: TOKEN, headers: { Origin: 'https://elsewhere.example' } })), /HUB_(FULL|ORIGIN_REFUSED)/)
})

t.test('clients of the subprotocols are met as ever: greeting, refusal and rights', async (t) => {
  const { url, port } = await listen(t, { compat: { ginSkeleton: 'token', ginSkeletonRefusal: 'empty-200' } })
  const reliable = await welcome(t, url, { user: 'bob' })
  t.equal(reliable.socket.protocol, RELIABLE)
  t.match(await rawRequest(port, handshake({ token: 'not a token', headers: { 'Sec-WebSocket-Protocol': RELIABLE } }).replace('not a token', 'nonsense-nonsense')), /^HTTP\/1\.1 401 .*HUB_TOKEN_INVALID/s)
})

t.test('an open door gives nobody rights: users without a token of the service have no role, and the REST API stays closed', async (t) => {
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

t.test('an application takes over what clients say, as ever', async (t) => {
  const { app, url } = await listen(t, { compat: { ginSkeleton: 'off' } })
  app.hub.onMessage((client, data) => client.reply(`heard ${String(data)}`))
  const client = await connect(t, url)
  client.send('x')
  t.equal(await client.next(), 'heard x')
})

t.test('every open door is warned of when the service starts', async (t) => {
  const { log } = await listen(t, { compat: { ginSkeleton: 'open', ginServer: 'token', pushMessage: 'open' } })
  const warnings = log.lines.filter(({ level }) => level === 40).map(({ msg }) => msg)
  t.match(warnings, [/^compat\.ginSkeleton is open/, /^compat\.pushMessage is open/])
  t.equal(warnings.length, 2)
})

t.test('a door that is off is not there', async (t) => {
  const { origin, port } = await listen(t)
  for (const path of ['/ws', '/echo', '/client/alice', '/getPushNews?userId=alice']) t.match(await rawRequest(port, handshake({ path })), /^HTTP\/1\.1 404 /, path)
  for (const path of ['/message', '/message/alice', '/sendall']) t.equal((await fetch(origin + path, { method: 'POST', body: '1' })).status, 404, path)
})
