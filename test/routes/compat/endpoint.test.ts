// Behaviour that all endpoints for older clients share.

import Fastify from 'fastify'
import t from 'tap'
import { fastifyHub } from '../../../index.ts'
import { completeConfig } from '../../../services/config/load.ts'
import { IN_MEMORY, listen, until } from '../../support/helper.ts'
import { handshake, OPCODE, rawConnect, rawRequest } from '../../support/raw-client.ts'

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

t.test('the service warns at the start of every endpoint in mode open', async (t) => {
  const { log } = await listen(t, { compat: { ginSkeleton: 'open', ginServer: 'token', pushMessage: 'open' } })
  const warnings = log.lines.filter(({ level }) => level === 40).map(({ msg }) => msg)
  t.match(warnings, [/^compat\.ginSkeleton is open: anybody .*; set it to token/, /^compat\.pushMessage is open: anybody .* inbox/])
  t.equal(warnings.length, 2)
})

t.test('an endpoint in mode off does not exist', async (t) => {
  const { origin, port } = await listen(t)
  for (const path of ['/ws', '/echo', '/client/alice', '/getPushNews?userId=alice']) t.match(await rawRequest(port, handshake({ path })), /^HTTP\/1\.1 404 /, path)
  for (const path of ['/message', '/message/alice', '/sendall']) t.equal((await fetch(origin + path, { method: 'POST', body: '1' })).status, 404, path)
})

t.test('no page of a foreign origin publishes through an endpoint, even in mode open', async (t) => {
  const { app, origin } = await listen(t, { compat: { learnGin: 'open', pushMessage: 'open' } })
  const page = { origin: 'https://elsewhere.example' }
  for (const [method, path] of [['GET', '/sendall?msg=x'], ['POST', '/message'], ['POST', '/message/alice'], ['DELETE', '/client/alice'], ['DELETE', '/deleteClient/alice']] as const) {
    const response = await fetch(origin + path, { method, headers: page, ...(method === 'POST' ? { body: '1' } : {}) })
    t.equal(response.status, 403, path)
    t.match(await response.json(), { code: 'HUB_ORIGIN_REFUSED' })
  }
  for (const site of ['cross-site', 'same-site']) t.equal((await fetch(`${origin}/sendall?msg=x`, { headers: { 'sec-fetch-site': site } })).status, 403, `an image of a page, ${site}`)
  t.equal((await fetch(`${origin}/sendall?msg=x`, { headers: { origin } })).status, 200, 'pages of its own may')
  t.equal(app.hub.state, 'ready')
})

t.test('the endpoints work in an application of one\'s own, below its prefix, with and without ignored trailing slashes', async (t) => {
  for (const ignoreTrailingSlash of [false, true]) {
    const app = Fastify({ routerOptions: { ignoreTrailingSlash } })
    t.teardown(() => app.close())
    await app.register(fastifyHub, { ...IN_MEMORY, prefix: '/p', authenticate: () => null, compat: { ginSkeleton: 'open', ginServer: 'open', learnGin: 'open', pushMessage: 'open' } })
    const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
    for (const path of [`/p/admin/ws?token=${TOKEN}`, '/p/ws', '/p/echo', '/p/client/alice']) (await rawConnect({ port: Number(port), path })).destroy()
    const answer = await rawRequest(Number(port), 'POST /p/message/?token=x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1')
    t.match(answer, ignoreTrailingSlash ? /^HTTP\/1\.1 200 .*send success/s : /^HTTP\/1\.1 307 .*\r\nlocation: \/p\/message\?token=x\r\n/s)
  }
})

t.test('a path of a compat endpoint is taken', async (t) => {
  t.throws(() => completeConfig({ compat: { ginServer: 'token' }, websocket: { path: '/ws' } }), /websocket\.path: \/ws is the address of an endpoint that options\.compat\.ginServer switches on/)
  t.throws(() => completeConfig({ compat: { learnGin: 'open' }, sse: { path: '/echo' } }), /sse\.path: \/echo is the address of an endpoint/)
  t.doesNotThrow(() => completeConfig({ websocket: { path: '/ws' } }))
})

t.test('no client has a role at an endpoint in mode open, under any name', async (t) => {
  const { app, port } = await listen(t, { compat: { ginServer: 'open', learnGin: 'open', pushMessage: 'open' } })
  for (const path of ['/ws', '/echo', '/client/admin', '/getPushNews?userId=operator']) {
    const client = await rawConnect({ port, path })
    t.teardown(() => client.destroy())
  }
  const { clients } = await app.hub.clients()
  t.same(clients.map(({ roles }) => roles), [[], [], [], []])
  t.match(clients.map(({ user }) => user), [/^guest-/, /^guest-/, 'admin', 'operator'])
})

t.test('only ginServer chooses any subprotocol', async (t) => {
  const { port, token } = await listen(t, { compat: { ginServer: 'open', learnGin: 'open' } })
  for (const [path, chosen] of [['/ws', true], ['/echo', false]] as const) {
    const client = await rawConnect({ port, path, headers: { 'Sec-WebSocket-Protocol': 'chat' } })
    t.teardown(() => client.destroy())
    t.equal(/^sec-websocket-protocol: chat\r$/im.test(client.head), chosen, path)
  }
  const refused = await rawRequest(port, handshake({ token, headers: { 'Sec-WebSocket-Protocol': 'chat' } }))
  t.match(refused, /^HTTP\/1\.1 400 [^]*HUB_HANDSHAKE_INVALID/, 'the endpoint of the hub refuses it')
})

t.test('ginServer has a heartbeat as well: a client that is gone without a Close frame is noticed', async (t) => {
  const { app, port } = await listen(t, { compat: { ginServer: 'open' }, websocket: { pingPeriod: '50ms', heartbeatFailMaxTimes: 1, readDeadline: 0 } })
  const dead = await rawConnect({ port, path: '/ws' })
  t.equal((await dead.next()).opcode, OPCODE.ping)
  t.same(await dead.closed(), { code: 1006, reason: '' })
  await until(() => app.hub.size === 0)
})
