import { once } from 'node:events'
import t from 'tap'
import { connect, GREETING, listen, token, until } from '../../../support/helper.ts'
import { OPCODE, rawConnect } from '../../../support/raw-client.ts'

t.test('a message is stored in the log, with and without connected receivers', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const receipt = { stored: true, duplicate: false, matched: 0, written: 0, behind: 0, dropped: 0 }
  const addresses = [{ all: true as const }, { user: 'bob' }, { group: 'news' }, { client: 'gone' }]
  t.match(await hub.send(addresses, 'to nobody'), addresses.map(() => receipt))
  const bob = await connect(t, url, { user: 'bob' })
  t.equal(await bob.next(), 'to nobody', 'of these messages, only the message to the user')
  const both = await hub.send([{ all: true }, { user: 'bob' }], 'x')
  t.match(both, [{ stored: true, matched: 1, written: 1 }, { stored: true, matched: 1, written: 1 }])
  t.same(await bob.quiet(), ['x', 'x'])
})

t.test('with keep: false a message is delivered to connected clients only, not to later connections', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const bob = await connect(t, url, { user: 'bob' })
  await until(async () => (await hub.clients()).clients.every(({ behind }) => !behind))
  const kept: number[] = []
  for (const address of [{ all: true as const }, { user: 'bob' }, { user: 'alice' }]) {
    const { offset, ...receipt } = await hub.send(address, 'now', { keep: false })
    kept.push(offset)
    t.match(receipt, { stored: false, matched: 'user' in address && address.user === 'alice' ? 0 : 1 })
    await t.rejects(hub.messageStatus(offset), { code: 'HUB_MESSAGE_NOT_FOUND' })
  }
  t.same(await bob.quiet(), ['now', 'now'])
  const { offset } = await hub.send({ user: 'bob' }, 'kept')
  t.ok(kept.every((one) => one < offset), 'a message with keep: false has an offset too')
  t.match(await hub.inbox('alice'), { count: 0, dropped: 0 })
  const alice = await connect(t, url, { user: 'alice' })
  await hub.broadcast('end')
  t.equal(await alice.next(), 'end')
})

t.test('an expired message is not delivered to later connections', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const early = await connect(t, url, { user: 'bob' })
  const receipts = await hub.send([{ user: 'bob' }, { user: 'alice' }], 'short', { ttl: 0.05 })
  t.match(receipts, [{ stored: true, matched: 1 }, { stored: true, matched: 0 }])
  t.equal(await early.next(), 'short', 'a connected client receives the message')
  await hub.send({ user: 'alice' }, 'long', { ttl: 3600 })
  await until(async () => (await hub.inbox('alice')).count === 1, 'the expiry')
  const alice = await connect(t, url, { user: 'alice' })
  t.equal(await alice.next(), 'long')
})

t.test('a client that does not read is behind, and receives the messages of the log when it reads again', async (t) => {
  const { app: { hub }, port } = await listen(t, { websocket: { maxQueueSize: 65_536 } })
  const slow = await rawConnect({ port, token: token({ user: 'bob' }) })
  t.teardown(() => slow.destroy())
  t.equal((await slow.next()).payload.toString(), GREETING)
  await until(async () => (await hub.clients()).clients[0]?.behind === false, 'being live')
  slow.pause()
  const text = 'x'.repeat(30_000)
  let sent = 0
  let last = await hub.broadcast(`${sent++} ${text}`)
  while (last.behind === 0) last = await hub.broadcast(`${sent++} ${text}`)
  t.match(last, { stored: true, matched: 1, written: 0, behind: 1, dropped: 0 })
  for (let n = 0; n < 10; n++) {
    t.match(await hub.broadcast(`${sent++} ${text}`), { matched: 1, written: 0, behind: 1, dropped: 0 })
  }
  const lost = await hub.broadcast('lost', { keep: false })
  t.match(lost, { stored: false, matched: 1, written: 0, behind: 0, dropped: 1 }, 'a message that is not in the log')
  t.match(await hub.clients(), { dropped: 1, clients: [{ behind: true, dropped: 1 }] })
  slow.resume()
  const got: string[] = []
  while (got.length < sent) {
    const { opcode, payload } = await slow.next()
    if (opcode === OPCODE.text) got.push(payload.toString().split(' ', 1).join())
  }
  t.same(got, Array.from({ length: sent }, (_, n) => `${n}`))
  await until(async () => (await hub.clients()).clients[0]?.behind === false, 'being live')
  const live = await hub.broadcast('live', { keep: false })
  t.match(live, { stored: false, matched: 1, written: 1, behind: 0, dropped: 0 })
})

t.test('a key returns the same receipt again, although clients have connected and disconnected since', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const bob = await connect(t, url, { user: 'bob' })
  const first = await hub.send([{ all: true }, { user: 'bob' }, { user: 'alice' }], 'once', { key: 'k' })
  t.same(first.map(({ matched }) => matched), [1, 1, 0])
  t.equal(new Set(first.map(({ offset }) => offset)).size, 3, 'a key is for one address')
  t.same([await bob.next(), await bob.next()], ['once', 'once'])
  bob.socket.close()
  await once(bob.socket, 'close')
  await until(() => hub.size === 0)
  for (let n = 0; n < 3; n++) {
    const again = await hub.send([{ all: true }, { user: 'bob' }, { user: 'alice' }], 'once', { key: 'k' })
    t.same(again, first.map((receipt) => ({ ...receipt, duplicate: true })))
  }
  t.match(await hub.inbox('alice'), { count: 1 })
  for (const other of ['twice', { once: true }, Buffer.from('once')]) {
    await t.rejects(hub.broadcast(other, { key: 'k' }), { code: 'HUB_KEY_REUSED', statusCode: 422 })
  }
  for (const options of [{ ttl: 5 }, { conflate: 'c' }, { keep: false }, { except: ['c'] }]) {
    await t.rejects(hub.broadcast('once', { key: 'k', ...options }), { code: 'HUB_KEY_REUSED' })
  }
  const alice = await connect(t, url, { user: 'alice' })
  t.equal(await alice.next(), 'once')
  t.same(await alice.quiet(), [])
})

t.test('a publish with the same key in the same tick gets the counts of the first publish', async (t) => {
  const { app: { hub }, url } = await listen(t)
  await connect(t, url, { user: 'bob' })
  await connect(t, url)
  await until(async () => (await hub.clients()).clients.every(({ behind }) => !behind), 'being live')
  for (const [address, matched] of [[{ all: true as const }, 2], [{ user: 'bob' }, 1]] as const) {
    const [first, ...others] = await Promise.all([1, 2, 3].map(() => hub.send(address, 'once', { key: 'k' })))
    t.match(first, { duplicate: false, stored: true, matched, written: matched, behind: 0, dropped: 0 })
    t.same(others, [{ ...first, duplicate: true }, { ...first, duplicate: true }])
  }
})

t.test('a key expires with the window', async (t) => {
  const { app: { hub }, url } = await listen(t, { idempotency: { window: '400ms' } })
  const client = await connect(t, url)
  const first = await hub.broadcast('again', { key: 'k' })
  await until(async () => !(await hub.broadcast('again', { key: 'k' })).duplicate, 'the end of the window')
  const third = await hub.broadcast('again', { key: 'k' })
  t.match(third, { duplicate: true, matched: 1 })
  t.ok(third.offset > first.offset)
  t.same(await client.quiet(), ['again', 'again'])
})

t.test('when the hub is closed, every verb rejects with HUB_DRAINING', async (t) => {
  const { app, app: { hub } } = await listen(t)
  const { offset } = await hub.send({ user: 'bob' }, 'x')
  await app.close()
  const verbs: Record<string, () => Promise<unknown>> = {
    send: () => hub.send({ user: 'bob' }, 'x'),
    join: () => hub.join({ user: 'bob' }, 'g'),
    leave: () => hub.leave({ user: 'bob' }, 'g'),
    joinOne: () => hub.join('c', 'g'),
    groups: () => hub.groups(),
    clients: () => hub.clients(),
    inbox: () => hub.inbox('bob'),
    purge: () => hub.purgeInbox('bob'),
    messageStatus: () => hub.messageStatus(offset),
    disconnect: () => hub.disconnect({ all: true })
  }
  for (const [name, verb] of Object.entries(verbs)) {
    await t.rejects(verb().then(() => {}), { code: 'HUB_DRAINING' }, name)
  }
})
