// Random sequences of frames and random requests of clients, with every subprotocol. FUZZ_RUNS=5000 for a longer run.
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { ConfigInput } from '../../services/config/input.ts'
import { connect, ECHO, listen, type TestClient, token, until } from '../support/helper.ts'
import { PLAIN, RELIABLE } from '../support/json-client.ts'
import { frame, type FrameOptions, handshake, OPCODE, RawClient, rawConnect, rawRequest } from '../support/raw-client.ts'

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 100)
t.setTimeout(60_000 + 100 * RUNS)

const SUBPROTOCOLS = ['hub.raw', PLAIN, RELIABLE] as const
const UNLIMITED = { upgradesPerSecond: 0, messagesPerSecond: 0, maxClientsPerUser: 0, maxMessageSize: 4000 }
const ROLES = ['webpubsub.joinLeaveGroup', 'webpubsub.sendToGroup']

/** A service with a healthy client. */
async function serve (t: Test, websocket: ConfigInput['websocket'] = {}) {
  const service = await listen(t, { websocket: { ...UNLIMITED, ...websocket } })
  service.app.hub.action('echo', {}, (data) => data)
  const healthy = await connect(t, service.url, { user: 'healthy' })
  return { ...service, healthy }
}

/** Connects a client with a subprotocol, and consumes the greeting. */
async function open (t: Test, port: number, subprotocol: string): Promise<RawClient> {
  const client = await rawConnect({ port, token: token({ user: 'eve', roles: ROLES }), headers: { 'Sec-WebSocket-Protocol': subprotocol } })
  t.teardown(() => client.destroy())
  await client.next()
  return client
}

/** Rejects unless the hub serves a healthy client. */
async function assertServed (client: TestClient, text: string): Promise<void> {
  client.send(text)
  const reply = await client.next()
  if (reply !== ECHO + text) throw new Error(`the healthy client received ${String(reply).slice(0, 100)}`)
}

const payload = fc.oneof(fc.uint8Array({ maxLength: 130 }).map((bytes) => Buffer.from(bytes)), fc.string({ maxLength: 130 }).map((text) => Buffer.from(text)), fc.constant(Buffer.alloc(4001, 'x')))
const usually = <T>(value: T, others: fc.Arbitrary<T>) => fc.oneof({ arbitrary: fc.constant(value), weight: 9 }, { arbitrary: others, weight: 1 })
const anyFrame: fc.Arbitrary<FrameOptions> = fc.record({
  opcode: fc.oneof({ arbitrary: fc.constantFrom(...Object.values(OPCODE)), weight: 9 }, { arbitrary: fc.nat(15), weight: 1 }),
  payload,
  fin: fc.boolean(),
  rsv: usually(0, fc.nat(7)),
  masked: usually(true, fc.constant(false))
})
const tooLong = fc.record({ opcode: fc.constantFrom(...Object.values(OPCODE)), length: fc.record({ bits: fc.constant(64 as const), claim: fc.bigInt(0n, 2n ** 64n - 1n) }) })
const frames = fc.array(fc.oneof({ arbitrary: anyFrame, weight: 20 }, { arbitrary: tooLong, weight: 1 }).map((options) => frame(options as FrameOptions)), { maxLength: 12 })

t.test('after any sequence of frames the connection ends with a valid Close or none, and other clients are served', async (t) => {
  const { app, port, healthy } = await serve(t, { compression: { enabled: true } })
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 })
  const codes = new Map<number, number>()
  await fc.assert(fc.asyncProperty(fc.constantFrom(...SUBPROTOCOLS), frames, cuts, fc.constantFrom('end', 'reset'), async (subprotocol, written, at, end) => {
    const client = await open(t, port, subprotocol)
    const bytes = Buffer.concat(written)
    const edges = [0, ...at.map((part) => Math.floor(part * bytes.length)).sort((a, b) => a - b), bytes.length]
    for (const [n, from] of edges.entries()) {
      client.send(bytes.subarray(from, edges[n + 1] ?? from))
      await setImmediate()
    }
    client[end]()
    const { code } = await client.closed()
    codes.set(code, (codes.get(code) ?? 0) + 1)
    const received = client.unread()
    const invalid = received.filter(({ masked, rsv, opcode }) => masked || rsv !== 0 || !Object.values<number>(OPCODE).includes(opcode))
    const behindClose = received.slice(received.findIndex(({ opcode }) => opcode === OPCODE.close)).slice(1)
    const isClosed = received.some(({ opcode }) => opcode === OPCODE.close)
    if (invalid.length > 0 || (isClosed && behindClose.length > 0)) throw new Error('the hub sent an invalid frame, or a frame behind the Close')
    await assertServed(healthy, 'alive')
  }), { numRuns: RUNS })
  await until(() => app.hub.size === 1, 'the end of all other clients')
  t.comment(`close codes: ${[...codes].map(([code, times]) => `${code} ${times}×`).join(', ')}`)
  t.ok(codes.size > 2, 'the frames have several outcomes')
})

/** A value of a field that has the wrong type, the wrong size, or a name of JavaScript. */
const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'x'.repeat(300), '\0', '\u001b[31m', -1, 0, 1.5, 1e308, 2 ** 53, null, [], {}, [[]])
)
const mostly = (...valid: unknown[]) => fc.oneof({ arbitrary: fc.constantFrom(...valid), weight: 6 }, { arbitrary: odd, weight: 1 })
const number = fc.oneof({ arbitrary: fc.nat(), weight: 6 }, { arbitrary: odd, weight: 1 })
const request = fc.record({
  type: mostly('joinGroup', 'leaveGroup', 'sendToGroup', 'event', 'invoke', 'cancelInvocation', 'sequenceAck', 'ping', 'streamData', 'setGroupState'),
  group: mostly('g'), event: mostly('echo'), data: odd, dataType: mostly('text', 'json', 'binary', null), ackId: number, sequenceId: number, noEcho: mostly(true), invocationId: mostly('i'),
  target: mostly('event'), action: mostly('echo'), id: number
}, { requiredKeys: ['type', 'group'] }).map((fields) => JSON.stringify(fields))
const poisoned = request.map((json) => json.replace('{', '{"__proto__":{"isPolluted":true},'))
const anything = fc.oneof({ arbitrary: request, weight: 6 }, { arbitrary: poisoned, weight: 1 }, { arbitrary: fc.json({ maxDepth: 3 }), weight: 2 }, { arbitrary: fc.string(), weight: 1 })

/** A request whose reply shows that all earlier requests have been handled. */
const LAST_ID = '123456789012345'
const LAST = JSON.stringify({ type: 'joinGroup', group: 'last', ackId: Number(LAST_ID) })

t.test('any request of a client gets a reply of its protocol or ends its own connection, with every subprotocol', async (t) => {
  const { app, port, healthy, log } = await serve(t)
  const outcomes = new Map<string, number>()
  const count = (title: string) => outcomes.set(title, (outcomes.get(title) ?? 0) + 1)
  await fc.assert(fc.asyncProperty(fc.constantFrom(...SUBPROTOCOLS), fc.array(anything, { minLength: 1, maxLength: 8 }), async (subprotocol, requests) => {
    const client = await open(t, port, subprotocol)
    for (const one of [...requests, LAST]) client.send(frame({ opcode: OPCODE.text, payload: one }))
    for (;;) {
      const { opcode, payload } = await client.next()
      const reply = payload.toString()
      if (opcode === OPCODE.close) {
        client.send(frame({ opcode, payload }))
        const { code } = await client.closed()
        count(String(code))
        if (code !== 1008) throw new Error(`closed with ${code}`)
        break
      }
      if (opcode !== OPCODE.text && opcode !== OPCODE.binary) continue
      if (reply.includes(LAST_ID)) break
      if (subprotocol === 'hub.raw') continue
      const { type, success } = JSON.parse(reply) as { type?: string, success?: boolean }
      count(`${type} ${success ?? ''}`)
      if (!['ack', 'message', 'system', 'pong', 'invokeResponse', 'streamClosed'].includes(type ?? '')) throw new Error(`the reply ${reply.slice(0, 200)}`)
    }
    client.destroy()
    await assertServed(healthy, 'alive')
  }), { numRuns: 2 * RUNS })
  await until(() => app.hub.size === 1, 'the end of all other clients')
  t.comment([...outcomes].map(([title, times]) => `${title} ${times}×`).join(', '))
  t.same(['1008', 'ack true', 'ack false'].filter((title) => !outcomes.has(title)), [], 'requests were accepted and refused')
  t.equal(Reflect.get({}, 'isPolluted'), undefined)
  t.same(log.lines.filter(({ level }) => Number(level) >= 50).map(({ msg }) => msg), [], 'no internal error')
})

/** A frame with a reserved bit and a length of 0. */
const BROKEN = Buffer.of(0xa2, 0x80, 0, 0, 0, 0)

t.test('a broken frame ends its own connection at any time, with one line in the log below the level of an error', async (t) => {
  const { app, port, healthy, log } = await serve(t)
  let release = () => {}
  app.hub.onMessage((client, data) => {
    if (client.identity.user === 'healthy') return client.reply(ECHO + String(data))
    return new Promise<void>((resolve) => { release = resolve })
  })
  for (const subprotocol of SUBPROTOCOLS) {
    for (const [title, first] of [['after the greeting', Buffer.alloc(0)], ['while a handler runs', frame({ opcode: OPCODE.text, payload: '{"type":"event","event":"echo","data":1}' })]] as const) {
      const linesBefore = log.lines.length
      const client = await open(t, port, subprotocol)
      client.send(first)
      await assertServed(healthy, 'before')
      client.send(BROKEN)
      t.equal((await client.closed()).code, 1002, `${subprotocol}, ${title}`)
      release()
      await until(() => app.hub.size === 1)
      await until(() => log.lines.slice(linesBefore).some(({ user, code }) => user === 'eve' && code === 1002), 'the line of the end')
      const lines = log.lines.slice(linesBefore).filter(({ msg }) => msg !== 'client connected')
      t.match(lines, [{ level: 40, code: 1002 }], 'one warning')
      t.equal(lines.length, 1)
      await assertServed(healthy, title)
    }
  }
  // The frame comes with the handshake: after an accepted one, and after a refused one.
  const accepted = await rawRequest(port, Buffer.concat([Buffer.from(handshake({ token: token({ user: 'eve' }) })), BROKEN]), { until: 'end' })
  t.match(accepted, /^HTTP\/1\.1 101 /)
  const refused = await rawRequest(port, Buffer.concat([Buffer.from(handshake({})), BROKEN]), { until: 'end' })
  t.match(refused, /^HTTP\/1\.1 401 /)
  await assertServed(healthy, 'after all')
  await until(() => app.hub.size === 1)
})

t.test('a message in thousands of one-byte packets and fragments is read without keeping memory', async (t) => {
  const { app, port, healthy } = await serve(t, { maxMessageSize: 65_535 })
  const client = await open(t, port, 'hub.raw')
  const whole = frame({ opcode: OPCODE.text, payload: 'x'.repeat(10_000) })
  for (let at = 0; at < whole.length; at++) {
    client.send(whole.subarray(at, at + 1))
    if (at % 10 === 0) await setImmediate()
  }
  t.equal((await client.next()).payload.toString(), ECHO + 'x'.repeat(10_000))
  const fragment = frame({ opcode: OPCODE.continuation, payload: 'x', fin: false })
  client.send(Buffer.concat([frame({ opcode: OPCODE.text, payload: 'x', fin: false }), ...Array.from({ length: 17_000 }, () => fragment)]))
  t.equal((await client.closed()).code, 1008)
  await until(() => app.hub.size === 1)
  await assertServed(healthy, 'alive')
})
