// Other libraries that listen to `upgrade` on the server of the application: each endpoint gets its own clients.

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { attach, type Socket } from 'engine.io'
import t, { type Test } from 'tap'
import { WebSocketServer, type WebSocket } from 'ws'
import { fastifyHub } from '../../index.ts'
import { closesFast, echoRoute, expectEchoFrom, listen, open, plainRoute, type Step } from '../support/foreign-app.ts'
import { ECHO, IN_MEMORY, TestClient, token, until } from '../support/helper.ts'
import { handshake, rawRequest } from '../support/raw-client.ts'

/** Longer than engine.io waits for another library to complete an upgrade. */
const CHECK_MS = 80
const engineOptions = { path: '/other', destroyUpgradeTimeout: 20 }

/** A hub whose token check takes time. */
const slowHub: Step = (app) => app.register(fastifyHub, {
  ...IN_MEMORY,
  authenticate: async (token) => { await sleep(CHECK_MS); return token === null ? null : { user: 'alice', roles: [] } },
  compat: { ginServer: 'token', pushMessage: 'token' },
  websocket: { handshakeTimeout: '500ms' }
})
const chat: Step = (app) => app.register(echoRoute('/chat/:room'), { prefix: '/v1' })

const echo = (socket: WebSocket): void => { socket.on('message', (data: Buffer) => socket.send(`own ${data.toString()}`)) }

/** Libraries with an endpoint at /other. */
const LIBRARIES: Record<string, Step> = {
  'engine.io': ({ server }) => {
    attach(server, engineOptions).on('connection', (socket: Socket) => { socket.on('message', (data: string) => { socket.send(`own ${data}`) }) })
  },
  // Refuses every other path with 400.
  'ws with a path': (app) => {
    const other = new WebSocketServer({ server: app.server, path: '/other' }).on('connection', echo)
    app.addHook('preClose', async () => { for (const socket of other.clients) socket.terminate() })
  },
  // As in the README of ws.
  'ws without a server, which destroys the sockets of other paths': (app) => {
    const other = new WebSocketServer({ noServer: true }).on('connection', echo)
    app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (request.url === '/other') other.handleUpgrade(request, socket, head, (client) => other.emit('connection', client, request))
      else socket.destroy()
    })
    app.addHook('preClose', async () => { for (const socket of other.clients) socket.terminate() })
  },
  'ws without a server, behind a check that takes time': (app) => {
    const other = new WebSocketServer({ noServer: true }).on('connection', echo)
    app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (request.url === '/other') setTimeout(() => { other.handleUpgrade(request, socket, head, echo) }, CHECK_MS)
    })
    app.addHook('preClose', async () => { for (const socket of other.clients) socket.terminate() })
  }
}

/** Opens a client of the other library and checks its echo. */
async function openOther (t: Test, name: string, ws: string): Promise<TestClient> {
  if (name !== 'engine.io') {
    const client = await open(t, `${ws}/other`)
    await expectEchoFrom(t, client, 'the application')
    return client
  }
  const client = await open(t, `${ws}/other/?EIO=4&transport=websocket`)
  t.match(await client.next(), /^0\{"sid"/)
  client.send('4hi')
  t.equal(await client.next(), '4own hi')
  return client
}

/** Opens a client of the hub and checks its echo. */
async function openHub (t: Test, ws: string, path = '/admin/ws'): Promise<TestClient> {
  const client = await open(t, `${ws}${path}?token=${token()}`)
  await client.next()
  client.send('hi')
  t.equal(await client.next(), `${ECHO}hi`, path)
  return client
}

t.jobs = 4
for (const [name, library] of Object.entries(LIBRARIES)) {
  for (const [order, steps] of [['before', [library, slowHub]], ['after', [slowHub, library]]] as const) {
    t.test(`${name}, registered ${order} the hub`, async (t) => {
      const { app, origin, port, ws } = await listen(t, [...steps, chat, plainRoute], { routerOptions: { caseSensitive: false } })
      const [client, other, own] = await Promise.all([openHub(t, ws), openOther(t, name, ws), open(t, `${ws}/v1/chat/a%20b`)])
      await expectEchoFrom(t, own, 'the application')
      await openHub(t, ws, '/ADMIN/w%73')
      for (const path of ['/ws', '/client/alice']) t.match(await rawRequest(port, handshake({ path, token: token() })), /^HTTP\/1\.1 101 /, path)
      t.match(await rawRequest(port, handshake({}), { until: 'end' }), /^HTTP\/1\.1 401 [^]*HUB_TOKEN_MISSING/)
      t.equal(await (await fetch(`${origin}/plain`)).text(), 'plain')
      // Nobody has this path. The time for handshakes ends the socket where the other library does not.
      t.notMatch(await rawRequest(port, handshake({ path: '/nowhere' }), { until: 'end' }), /^HTTP\/1\.1 (101|2)/)
      await until(() => app.hub.size === 2, 'the clients of the hub')
      t.equal(other.socket.readyState, other.socket.OPEN, 'that time does not end clients of the other library')
      await app.hub.broadcast('news')
      t.equal(await client.next(), 'news')
      t.same(await other.quiet(), [])
      const closed = client.closed()
      if (name === 'engine.io') other.socket.terminate()
      await closesFast(t, app)
      t.equal((await closed).code, 1012)
    })
  }
}

t.test('two libraries of the application beside the hub', async (t) => {
  const { ws } = await listen(t, [
    ({ server }) => { new WebSocketServer({ noServer: true }).on('connection', echo); server.on('upgrade', () => {}) },
    slowHub,
    LIBRARIES['engine.io'] ?? (() => {})
  ])
  await openHub(t, ws)
  const other = await openOther(t, 'engine.io', ws)
  other.socket.terminate()
  await once(other.socket, 'close')
})
