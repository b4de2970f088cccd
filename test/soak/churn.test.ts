// Connections of every kind that come and go, by default 2000 in all. Takes about 10 s on a busy machine. A long run with
// other random numbers:
//
//   CHURN_CONNECTIONS=50000 CHURN_SEED=7 node scripts/test.js test/soak/churn.test.ts

import { once } from 'node:events'
import { connect as dial } from 'node:net'
import t from 'tap'
import { PLAIN, RELIABLE } from '../support/json-client.ts'
import { token, until } from '../support/helper.ts'
import { Random } from '../support/random.ts'
import { frame, handshake, OPCODE, rawConnect, rawRequest } from '../support/raw-client.ts'
import { Service } from './service.ts'

const CONNECTIONS = Number(process.env['CHURN_CONNECTIONS'] ?? 2000)
const SEED = Number(process.env['CHURN_SEED'] ?? 1)
/** Connections at a time. */
const CONCURRENT = 20
/** Rounds of which one has to stay below the growth: a leak grows with each round, code and buffers stop growing. */
const MAX_ROUNDS = 4
const MAX_GROWTH_BYTES = 2 * 1024 ** 2
/** Messages that the log keeps. */
const KEPT = 200

t.setTimeout(60_000 + 20 * CONNECTIONS)

/** Opens one connection, and ends it in its own way. */
type Visit = (service: Service, random: Random) => Promise<void>

const user = (random: Random) => token({ user: `user-${random.below(50)}`, groups: ['g'] })

/** A WebSocket client that ends in one of several ways, with a message under way or without. */
const webSocket = (subprotocol: string): Visit => async ({ port }, random) => {
  const client = await rawConnect({ port, token: user(random), headers: { 'Sec-WebSocket-Protocol': subprotocol } })
  await client.next()
  if (random.below(2) === 0) client.send(frame({ opcode: OPCODE.text, payload: '{"type":"ping"}' }))
  const way = random.below(4)
  if (way === 0) client.send(frame({ opcode: OPCODE.close, payload: Buffer.of(3, 232) }))
  else if (way === 1) client.end()
  else if (way === 2) client.reset()
  else client.send(Buffer.of(0xff, 0xff))
  await client.closed()
}

/** A client that disconnects at a random moment of the handshake or of the response. */
const cut = (request: () => string): Visit => async ({ port }, random) => {
  const socket = dial({ port, host: '127.0.0.1' })
  socket.on('error', () => {}) // A reset by the server is a valid response.
  await once(socket, 'connect')
  const bytes = request()
  const isCut = random.below(4) === 0
  socket.write(isCut ? bytes.slice(0, random.below(bytes.length)) : bytes)
  if (!isCut && random.below(2) === 0) await Promise.race([once(socket, 'data'), once(socket, 'close')])
  if (random.below(2) === 0) socket.resetAndDestroy()
  else socket.destroy()
}

/** A request that is refused, until its connection has ended. */
const refused = (request: string): Visit => async ({ port }) => { await rawRequest(port, request, { until: 'end' }) }

const plain = (path: string, bearer: string, method = 'GET'): string =>
  `${method} ${path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: Bearer ${bearer}\r\n\r\n`

const VISITS: Record<string, Visit> = {
  'raw WebSocket': webSocket('hub.raw'),
  'web-pubsub': webSocket(PLAIN),
  'reliable web-pubsub': webSocket(RELIABLE),
  'event stream': async (service, random) => cut(() => plain('/admin/events', user(random)))(service, random),
  'cut handshake': cut(() => handshake({ token: token() })),
  'no token': refused(handshake({})),
  'another address': refused(handshake({ path: '/nowhere' })),
  'a plain route': refused(handshake({ path: '/healthz' })),
  // The client ends after the response: the service would end the connection at the deadline of the handshake.
  'an invalid URL': async ({ port }) => { await rawRequest(port, handshake({ path: '/%zz' })) },
  'an event stream without a token': refused(plain('/admin/events', 'x')),
  'a call of the API': refused(plain('/clients', token({ roles: ['admin'] })))
}

t.test('after any number of connections of every kind, descriptors, timers, memory and registry are as before', async (t) => {
  t.setTimeout(60_000 + 20 * CONNECTIONS)
  const service = await Service.start(t, {
    auth: { failuresPerSecond: 0 },
    engine: { kind: 'memory', maxCount: KEPT },
    websocket: { upgradesPerSecond: 0, maxClientsPerUser: 0, handshakeTimeout: '200ms', resumeWindow: '1s' }
  })
  const random = new Random(SEED)
  const kinds = Object.entries(VISITS)
  const visits = Object.fromEntries(kinds.map(([kind]) => [kind, 0]))
  const faults: string[] = []
  const churn = async (connections: number): Promise<void> => {
    let left = connections
    let number = 0
    await Promise.all(Array.from({ length: CONCURRENT }, async () => {
      while (left-- > 0) {
        const [kind, visit] = random.oneOf(kinds)
        visits[kind] = (visits[kind] ?? 0) + 1
        await visit(service, random).catch((error: unknown) => faults.push(`${kind}: ${String(error)}`))
        if (left % 50 === 0) await service.publish([{ stream: 'all', number: ++number, order: number, bytes: 100 }], true)
      }
    }))
    await until(async () => (await service.count()).clients === 0, 'the end of all clients')
    await until(async () => (await service.count()).sockets === 0, 'the end of all sockets')
  }

  await service.publish(Array.from({ length: KEPT }, (_, n) => ({ stream: 'all' as const, number: n + 1, order: n + 1, bytes: 100 })), true)
  const fresh = await service.measure()
  await churn(Math.ceil(CONNECTIONS / 4)) // Code and buffers reach their usual size.
  let before = await service.measure()
  let growth = Infinity
  for (let round = 1; growth >= MAX_GROWTH_BYTES && round <= MAX_ROUNDS; round++) {
    await churn(Math.ceil(CONNECTIONS * 3 / 4))
    const after = await service.measure()
    growth = after.usedBytes - before.usedBytes
    t.comment(`${JSON.stringify(visits)}, ${(before.usedBytes / 1e6).toFixed(1)} MB before, ${(after.usedBytes / 1e6).toFixed(1)} MB after`)
    t.match(await service.clients(), { total: 0, clients: [] })
    t.same(after.resources, fresh.resources, 'the same sockets and timers')
    t.ok(after.descriptors <= fresh.descriptors, `${fresh.descriptors} descriptors before, ${after.descriptors} after`)
    before = after
  }
  t.ok(growth < MAX_GROWTH_BYTES, `the memory grows by ${(growth / 1e6).toFixed(1)} MB`)
  t.same(faults, [])
  t.ok(Object.values(visits).every((times) => times > 50), 'each kind has come')
  t.same(await service.close(), { code: 0, signal: null }, 'the process ends by itself')
  t.equal(service.output, '', 'the service logs no error')
})
