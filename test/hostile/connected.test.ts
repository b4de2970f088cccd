// Lists, limits, receipts and the drain agree on the clients that are connected.
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import Fastify, { type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { fastifyHub, type Identity } from '../../index.ts'
import { openEvents } from '../support/event-client.ts'
import { api, IN_MEMORY, listen, token, until } from '../support/helper.ts'
import { handshake, rawConnect } from '../support/raw-client.ts'

const EVENTS = `GET /admin/events?token=${token()} HTTP/1.1\r\nHost: x\r\n\r\n`

/** A TCP connection that sends these requests, and collects the response. */
function send (t: Test, port: number, requests: string): { socket: Socket, text: () => string } {
  const socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk: Buffer) => { text += chunk.toString() }).on('error', () => {})
  socket.write(requests)
  return { socket, text: () => text }
}

/** An application whose token check and whose route /slow end when the test says so. */
async function waitingApp (t: Test, options: FastifyServerOptions | { http2: true } = {}) {
  const app = Fastify(options as FastifyServerOptions)
  t.teardown(() => app.close())
  const checks: Array<() => void> = []
  const wait = (): Promise<void> => new Promise((resolve) => checks.push(resolve))
  const authenticate = async (): Promise<Identity> => {
    await wait()
    return { user: 'alice', roles: [] }
  }
  await app.register(fastifyHub, { ...IN_MEMORY, authenticate, websocket: { maxClientsPerUser: 1 } })
  app.get('/slow', async () => { await wait(); return 'slow' })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const goOn = (): void => { for (const resolve of checks.splice(0)) resolve() }
  return { app, origin, port: Number(new URL(origin).port), checks, goOn }
}

t.test('of event streams that are pipelined, the first is connected, and none when the TCP connection has ended', async (t) => {
  const { app, origin, port } = await listen(t, { websocket: { maxClientsPerUser: 2 } })
  const { socket, text } = send(t, port, EVENTS.repeat(50))
  await until(() => text().includes(': connected'))
  t.equal((await api(origin, 'GET', '/clients')).body['total'], 1)
  socket.destroy()
  await until(() => app.hub.size === 0)
  await Promise.all([openEvents(t, origin, { user: 'alice' }), openEvents(t, origin, { user: 'alice' })])
  t.equal((await api(origin, 'GET', '/clients')).body['total'], 2, 'the user may connect twice')
})

t.test('a client that is pipelined behind an unfinished response is refused in its turn', async (t) => {
  const { app, port, goOn, checks } = await waitingApp(t)
  for (const [request, code] of [[EVENTS, 'HUB_REQUEST_INVALID'], [handshake({}), 'HUB_UPGRADE_REQUIRED']] as const) {
    const { text } = send(t, port, `GET /slow HTTP/1.1\r\nHost: x\r\n\r\n${request}`)
    await until(() => checks.length === 1)
    goOn()
    await until(() => text().includes(code))
    t.match(text(), /^HTTP\/1\.1 200 OK.*slow.*HTTP\/1\.1 4/s)
  }
  t.equal(app.hub.size, 0)
  const { text } = send(t, port, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(() => checks.length === 1)
  goOn()
  await until(() => text().includes('slow'))
})

t.test('a client whose connection ends during the token check is not connected', async (t) => {
  const { app, origin, port, goOn, checks } = await waitingApp(t)
  for (const request of [EVENTS, handshake({})]) {
    const { socket } = send(t, port, request)
    await until(() => checks.length === 1)
    socket.resetAndDestroy()
    await until(() => new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count === 0))))
    goOn()
  }
  const stream = openEvents(t, origin)
  await until(() => checks.length === 1)
  goOn()
  await stream
  t.equal(app.hub.size, 1, 'and does not count for the limit of its user')
})

t.test('a stream of HTTP/2 is connected until it ends, or its session', async (t) => {
  const { app, origin, goOn, checks } = await waitingApp(t, { http2: true })
  const session = connectHttp2(origin)
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  const open = () => session.request({ ':path': '/admin/events' }).on('error', () => {}).resume()
  const early = open()
  await until(() => checks.length === 1)
  early.close(8)
  await once(early, 'close')
  // The server has the frame that closes the stream when it answers the ping.
  await new Promise<void>((resolve) => session.ping(() => resolve()))
  goOn()
  for (const end of [(stream: ReturnType<typeof open>) => stream.close(8), () => session.destroy()]) {
    const stream = open()
    await until(() => checks.length === 1)
    goOn()
    await until(() => app.hub.size === 1)
    end(stream)
    await until(() => app.hub.size === 0)
  }
})

t.test('a client is forgotten when its socket has ended, also where other code keeps the event from the hub', async (t) => {
  const { app, origin, port, log } = await listen(t, { websocket: { pingPeriod: '100ms', maxClientsPerUser: 2 } })
  const connections: Array<ServerResponse | WebSocket> = []
  app.server.on('request', (_request, response: ServerResponse) => { connections.push(response) })
  app.websocketServer.on('connection', (socket: WebSocket) => { connections.push(socket) })
  const stream = await openEvents(t, origin, { user: 'alice' })
  const client = await rawConnect({ port, token: token() })
  t.equal(app.hub.size, 2)
  for (const connection of connections) connection.removeAllListeners('close')
  stream.request.destroy()
  client.destroy()
  await until(() => app.hub.size === 0)
  t.equal(log.lines.filter(({ msg }) => msg === 'client lost').length, 2)
})

t.test('a client that is being closed is in no list and gets no message, and its socket counts for the limits', async (t) => {
  const { app, origin, port } = await listen(t, { websocket: { maxClients: 1 } })
  const frozen = await rawConnect({ port, token: token() })
  t.teardown(() => frozen.destroy())
  await app.hub.join({ user: 'alice' }, 'news')
  const seen = async () => {
    const [clients, groups] = [await app.hub.clients(), await app.hub.groups()]
    const receipts = [{ all: true } as const, { user: 'alice' }, { group: 'news' }].map((to) => app.hub.send(to, 'hi'))
    const matched = (await Promise.all(receipts)).map((receipt) => receipt.matched)
    return [clients.total, app.hub.localClients().length, groups.groups.map((group) => group.clients), matched]
  }
  t.same(await seen(), [1, 1, [1], [1, 1, 1]])
  await app.hub.disconnect({ user: 'alice' })
  t.same(await seen(), [0, 0, [], [0, 0, 0]])
  t.equal(app.hub.size, 1)
  const refused = await fetch(`${origin}/admin/events?token=${token()}`)
  t.match(await refused.text(), /HUB_FULL/)
  frozen.destroy()
  await until(() => app.hub.size === 0)
  const next = await rawConnect({ port, token: token() })
  next.destroy()
})
