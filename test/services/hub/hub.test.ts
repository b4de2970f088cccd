import { readFileSync } from 'node:fs'
import t from 'tap'
import { WebSocket } from 'ws'
import { packagePath } from '../../../services/cli/package.ts'
import { Hub } from '../../../services/hub/hub.ts'
import { CLOSE, fitReason, isSendableCode } from '../../../services/model/close-codes.ts'
import { raw } from '../../../services/protocol/raw.ts'
import { build, connect, listen, TestClient, token, until } from '../../support/helper.ts'

t.test('sends to addresses of every kind, one receipt each', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const [alice, bob] = [await connect(t, url), await connect(t, url, { user: 'bob' })]
  const { clients: [first] } = await hub.clients()
  t.match(await hub.send({ user: 'bob' }, 'to bob'), { matched: 1, written: 1, behind: 0 })
  t.match(await hub.send({ client: first?.id ?? '' }, 'to one'), { matched: 1 })
  t.match(await hub.send({ all: true }, 'to all'), { matched: 2 })
  t.match(await hub.send({ group: 'nobody is in it' }, 'to none'), { matched: 0 })
  const receipts = await hub.send([{ user: 'alice' }, { user: 'bob' }, { user: 'carol' }], 'to three', { key: 'k' })
  t.match(receipts, [{ matched: 1 }, { matched: 1 }, { matched: 0 }])
  t.equal(new Set(receipts.map(({ offset }) => offset)).size, 3)
  t.same(await alice.quiet(), ['to one', 'to all', 'to three'])
  t.same(await bob.quiet(), ['to bob', 'to all', 'to three'])
})

t.test('sends text, bytes and every JSON value', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const client = await connect(t, url)
  for (const message of ['text', Uint8Array.from([1, 2]), Buffer.from([3]), { a: 1 }, [1], 5, true, null, new Date(0)]) await hub.broadcast(message)
  t.same(await client.quiet(), ['text', Buffer.from([1, 2]), Buffer.from([3]), '{"a":1}', '[1]', '5', 'true', 'null', '"1970-01-01T00:00:00.000Z"'])
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  for (const message of [undefined, () => {}, Symbol('x'), cycle, 5n]) await t.rejects(hub.broadcast(message), { code: 'HUB_REQUEST_INVALID' })
})

t.test('refuses what makes no sense, with a code and a sentence', async (t) => {
  const { app } = await build(t, { websocket: { maxMessageSize: 10 } })
  await app.ready()
  const { hub } = app
  for (const address of [{}, { user: '' }, { user: 5 }, { user: 'a', group: 'b' }, { all: false }, { client: 'x'.repeat(257) }, null, 'bob', { users: 'bob' }]) {
    await t.rejects(hub.send(address as { user: string }, 'x'), { code: 'HUB_ADDRESS_INVALID' }, JSON.stringify(address))
    await t.rejects(hub.disconnect(address as { user: string }), { code: 'HUB_ADDRESS_INVALID' })
  }
  for (const options of [{ ttl: -1 }, { key: 5 }, { except: 'a' }, { kep: false }]) {
    await t.rejects(hub.broadcast('x', options as object), { code: 'HUB_REQUEST_INVALID', message: /^options\// }, JSON.stringify(options))
  }
  await hub.broadcast('x'.repeat(10))
  await t.rejects(hub.broadcast('x'.repeat(11)), { code: 'HUB_MESSAGE_TOO_LARGE', statusCode: 413 })
  await t.rejects(hub.disconnect({ all: true }, { code: 1006 }), { code: 'HUB_REQUEST_INVALID' })
})

t.test('receipts are true however many messages are under way, and those of a key stay', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const client = await connect(t, url)
  const first = await hub.broadcast('first', { key: 'k' })
  const receipts = await Promise.all(Array.from({ length: 5000 }, (_, n) => hub.broadcast(`${n}`)))
  t.equal(receipts.filter(({ matched, written }) => matched === 1 && written === 1).length, 5000)
  t.same(await hub.broadcast('first', { key: 'k' }), { ...first, duplicate: true })
  t.equal((await client.quiet()).length, 5001)
})

t.test('has at most 24 members, and docs/plugin.md has each of them', (t) => {
  const members = Object.getOwnPropertyNames(Hub.prototype).filter((name) => name !== 'constructor')
  const page = readFileSync(packagePath('docs', 'plugin.md'), 'utf8')
  t.ok(members.length <= 24, `${members.length} members`)
  t.same(members.filter((name) => !new RegExp(`\\bhub\\.${name}\\b`).test(page)), [])
  t.end()
})

t.test('knows who is here', async (t) => {
  const { app: { hub }, url } = await listen(t)
  t.equal(hub.size, 0)
  await connect(t, url)
  const { clients: [info] } = await hub.clients({ user: 'alice' })
  const client = hub.client(info?.id ?? '')
  t.equal(client?.identity.user, 'alice')
  t.match(client, { isOpen: true, groups: [], params: {} })
  t.same(hub.localClients({ user: 'alice' }), [client])
  t.same(hub.localClients({ user: 'bob' }), [])
  t.throws(() => hub.localClients({ users: 'bob' } as never), { code: 'HUB_ADDRESS_INVALID' })
  t.equal(hub.client('nobody'), undefined)
  t.equal(hub.size, 1)
})

t.test('a removed listener receives no more events', async (t) => {
  const { app: { hub }, url } = await listen(t)
  let events = 0
  const listener = (): void => { events++ }
  hub.on('open', listener)
  await connect(t, url)
  hub.off('open', listener)
  await connect(t, url)
  await until(() => hub.size === 2)
  t.equal(events, 1)
})

t.test('a clean close is information in the log, a lost connection a warning', async (t) => {
  const { url, log } = await listen(t)
  const [polite, rude] = [await connect(t, url), await connect(t, url)]
  polite.socket.close(1000)
  rude.socket.terminate()
  await until(() => log.text.includes('client disconnected') && log.text.includes('client lost'))
  t.match(log.lines.find(({ msg }) => msg === 'client disconnected'), { level: 30, user: 'alice', code: 1000, received: 0, delivered: 1, durationMs: Number })
  t.match(log.lines.find(({ msg }) => msg === 'client lost'), { level: 40, code: 1006, failure: 'connection lost' })
})

t.test('believes X-Forwarded-For only when it is told to', async (t) => {
  for (const [trustProxy, address] of [[false, '127.0.0.1'], [true, '203.0.113.9'], ['127.0.0.1', '203.0.113.9'], ['10.0.0.1', '127.0.0.1']] as const) {
    const { app: { hub }, url } = await listen(t, { server: { trustProxy } })
    const client = new TestClient(new WebSocket(`${url}?token=${token()}`, { headers: { 'x-forwarded-for': '203.0.113.9' } }))
    t.teardown(() => client.socket.terminate())
    await client.next()
    t.equal((await hub.clients()).clients[0]?.address, address, String(trustProxy))
  }
})

t.test('a reason is cut to what a Close frame holds, between characters', async (t) => {
  t.equal(fitReason('x'.repeat(123)).length, 123)
  t.equal(fitReason('x'.repeat(124)).length, 123)
  t.equal(fitReason('é'.repeat(62)), 'é'.repeat(61))
  t.equal(fitReason('😀'.repeat(40)), '😀'.repeat(30))
  const { app: { hub }, url } = await listen(t)
  const client = await connect(t, url)
  const closed = client.closed()
  await hub.disconnect({ all: true }, { reason: '再见'.repeat(50) })
  t.same(await closed, { code: 4000, reason: '再见'.repeat(20) + '再' })
})

t.test('a close with an invalid code or reason is refused, and the connection stays as it is', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const client = await connect(t, url)
  const invalid = [{ code: 1006, reason: 'x' }, { code: 1005 }, { code: 5, reason: '' }, { code: '4000' }, { code: 4000, reason: new Uint8Array(200) }, { reason: 5 }, { reason: {} }] as Array<{ code: number, reason: string }>
  const [open] = hub.localClients({ all: true })
  for (const one of invalid) {
    await t.rejects(hub.disconnect({ all: true }, one), { code: 'HUB_REQUEST_INVALID' }, JSON.stringify(one))
    t.throws(() => open?.close(one), { code: 'HUB_REQUEST_INVALID' }, JSON.stringify(one))
  }
  t.equal(open?.isOpen, true)
  t.match(await hub.broadcast('still here'), { written: 1 })
  t.equal(await client.next(), 'still here')
  const closed = client.closed()
  open?.close({ code: 4321, reason: '再见'.repeat(50) })
  t.same(await closed, { code: 4321, reason: '再见'.repeat(20) + '再' })
  await until(() => hub.size === 0)
})

t.test('only codes that the protocol allows may be sent', async (t) => {
  for (const code of [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4000, 4999]) t.ok(isSendableCode(code), String(code))
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 1.5, NaN]) t.notOk(isSendableCode(code), String(code))
  for (const { code, reason } of Object.values(CLOSE)) t.ok(reason === fitReason(reason) && (isSendableCode(code) || [1005, 1006].includes(code)))
})

t.test('with a flushInterval, all messages of the interval arrive in order, and a new client gets no earlier message', async (t) => {
  const { app: { hub }, url } = await listen(t, { websocket: { flushInterval: '50ms' } })
  const [alice, bob] = [await connect(t, url), await connect(t, url, { user: 'bob' })]
  const receipts = [hub.broadcast('1'), hub.send({ user: 'bob' }, '2'), hub.broadcast('3', { except: [] })]
  const late = connect(t, url, { user: 'late' })
  receipts.push(hub.broadcast('4'))
  t.match(await Promise.all(receipts), [{ matched: 2, written: 2 }, { matched: 1, written: 1 }, { matched: 2, written: 2 }, { matched: 2, written: 2 }])
  t.same(await alice.quiet(), ['1', '3', '4'])
  t.same(await bob.quiet(), ['1', '2', '3', '4'])
  t.same(await (await late).quiet(), [])
})

t.test('with a flushInterval, far more than may wait costs no healthy client anything, and is not kept', async (t) => {
  const { app: { hub }, url } = await listen(t, { websocket: { flushInterval: '1s', maxQueueSize: '128KiB', slowClient: 'disconnect' } })
  const client = await connect(t, url)
  const text = 'x'.repeat(60_000)
  const sent: Array<Promise<unknown>> = []
  const got: number[] = []
  for (let n = 0; n < 100; n++) {
    sent.push(hub.broadcast(`${n} ${text}`), hub.send({ user: 'alice' }, `${n} ${text}`))
    // Each is given to the socket in its turn, not at the end of the interval.
    for (let times = 0; times < 2; times++) if (n > 5) got.push(parseInt(String(await client.next())))
  }
  t.same(got, Array.from({ length: 188 }, (_, n) => Math.floor(n / 2)))
  t.equal(hub.size, 1)
  await hub.disconnect({ all: true }, { code: 4321 })
  t.equal((await client.closed()).code, 4321, 'nobody waits for the interval to end')
  await Promise.all(sent)
})

t.test('a message cannot change once it is published, nor can the list of excluded clients', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const client = await connect(t, url)
  const { clients: [info] } = await hub.clients()
  const except = [info?.id ?? '']
  const sent = hub.broadcast('not for you', { except })
  except.length = 0
  t.match(await sent, { matched: 0 })
  await hub.broadcast('for you')
  t.same(await client.quiet(), ['for you'])
})

t.test('a protocol or a logger that fails costs nobody anything but that one message', async (t) => {
  const { app: { hub, log }, url } = await listen(t, { websocket: { slowClient: 'dropNewest', maxQueueSize: 70_000 } })
  const [client, other] = [await connect(t, url), await connect(t, url, { user: 'bob' })]
  const encode = raw.encode.bind(raw)
  raw.encode = () => { throw new Error('cannot') }
  t.match(await hub.broadcast('lost'), { matched: 0 })
  raw.encode = encode
  const warn = log.warn.bind(log)
  log.warn = () => { throw new Error('disk full') }
  t.teardown(() => { log.warn = warn })
  other.socket.pause()
  const got: number[] = []
  for (let n = 0; n < 200; n++) {
    await hub.broadcast(`${n} ${'x'.repeat(60_000)}`)
    got.push(parseInt(String(await client.next())))
  }
  t.same(got, Array.from({ length: 200 }, (_, n) => n))
  t.ok(hub.counters.dropped > 0)
})
