import { once } from 'node:events'
import t from 'tap'
import { connect, GREETING, listen, token, until } from '../../../support/helper.ts'
import { OPCODE, rawConnect } from '../../../support/raw-client.ts'

t.test('what is said is in the log, whoever is there to hear it', async (t) => {
  const { app: { hub }, url } = await listen(t)
  t.match(await hub.send([{ all: true }, { user: 'bob' }, { group: 'news' }, { client: 'gone' }], 'to nobody'), [1, 2, 3, 4].map(() => ({ stored: true, duplicate: false, matched: 0, written: 0, behind: 0, dropped: 0 })))
  const bob = await connect(t, url, { user: 'bob' })
  t.equal(await bob.next(), 'to nobody', 'of these, only the inbox waits for somebody to come')
  t.match(await hub.send([{ all: true }, { user: 'bob' }], 'x'), [{ stored: true, matched: 1, written: 1 }, { stored: true, matched: 1, written: 1 }])
  t.same(await bob.quiet(), ['x', 'x'])
})

t.test('with keep: false a message is for those who are here now, and for nobody later', async (t) => {
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
  t.ok(kept.every((one) => one < offset), 'it has a place in the order all the same')
  t.match(await hub.inbox('alice'), { count: 0, dropped: 0 })
  const alice = await connect(t, url, { user: 'alice' })
  await hub.broadcast('end')
  t.equal(await alice.next(), 'end')
})

t.test('a message whose time is over is for nobody who comes later', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const early = await connect(t, url, { user: 'bob' })
  t.match(await hub.send([{ user: 'bob' }, { user: 'alice' }], 'short', { ttl: 0.05 }), [{ stored: true, matched: 1 }, { stored: true, matched: 0 }])
  t.equal(await early.next(), 'short', 'whoever is there gets it')
  await hub.send({ user: 'alice' }, 'long', { ttl: 3600 })
  await until(async () => (await hub.inbox('alice')).count === 1, 'the end of its time')
  const alice = await connect(t, url, { user: 'alice' })
  t.equal(await alice.next(), 'long')
})

t.test('a client that does not read is behind, and gets what is in the log when it reads again', async (t) => {
  const { app: { hub }, port } = await listen(t, { websocket: { maxQueueSize: 65_536 } })
  const slow = await rawConnect({ port, token: token({ user: 'bob' }) })
  t.teardown(() => slow.destroy())
  t.equal((await slow.next()).payload.toString(), GREETING)
  slow.pause()
  const text = 'x'.repeat(30_000)
  let sent = 0
  let last = await hub.broadcast(`${sent++} ${text}`)
  while (last.behind === 0) last = await hub.broadcast(`${sent++} ${text}`)
  t.match(last, { stored: true, matched: 1, written: 0, behind: 1, dropped: 0 })
  for (let n = 0; n < 10; n++) t.match(await hub.broadcast(`${sent++} ${text}`), { matched: 1, written: 0, behind: 1, dropped: 0 })
  t.match(await hub.broadcast('lost', { keep: false }), { stored: false, matched: 1, written: 0, behind: 0, dropped: 1 }, 'what the log does not have cannot be caught up with')
  t.match(await hub.clients(), { dropped: 1, clients: [{ behind: true, dropped: 1 }] })
  slow.resume()
  const got: string[] = []
  while (got.length < sent) {
    const { opcode, payload } = await slow.next()
    if (opcode === OPCODE.text) got.push(payload.toString().split(' ', 1).join())
  }
  t.same(got, Array.from({ length: sent }, (_, n) => `${n}`))
  await until(async () => (await hub.clients()).clients[0]?.behind === false, 'being live')
  t.match(await hub.broadcast('live', { keep: false }), { stored: false, matched: 1, written: 1, behind: 0, dropped: 0 })
})

t.test('a key brings the same receipt again, whoever has come or gone since', async (t) => {
  const { app: { hub }, url } = await listen(t)
  const bob = await connect(t, url, { user: 'bob' })
  const first = await hub.send([{ all: true }, { user: 'bob' }, { user: 'alice' }], 'once', { key: 'k' })
  t.same(first.map(({ matched }) => matched), [1, 1, 0])
  t.equal(new Set(first.map(({ offset }) => offset)).size, 3, 'a key speaks for one address')
  t.same(await bob.quiet(), ['once', 'once'])
  bob.socket.close()
  await once(bob.socket, 'close')
  await until(() => hub.size === 0)
  for (let n = 0; n < 3; n++) {
    t.same(await hub.send([{ all: true }, { user: 'bob' }, { user: 'alice' }], 'once', { key: 'k' }), first.map((receipt) => ({ ...receipt, duplicate: true })))
  }
  t.match(await hub.inbox('alice'), { count: 1 })
  for (const other of ['twice', { once: true }, Buffer.from('once')]) await t.rejects(hub.broadcast(other, { key: 'k' }), { code: 'HUB_KEY_REUSED', statusCode: 422 })
  for (const options of [{ ttl: 5 }, { conflate: 'c' }, { keep: false }, { except: ['c'] }]) await t.rejects(hub.broadcast('once', { key: 'k', ...options }), { code: 'HUB_KEY_REUSED' })
  const alice = await connect(t, url, { user: 'alice' })
  t.equal(await alice.next(), 'once')
  t.same(await alice.quiet(), [])
})

t.test('a key is forgotten when its time is over', async (t) => {
  const { app: { hub }, url } = await listen(t, { idempotency: { window: '400ms' } })
  const client = await connect(t, url)
  const first = await hub.broadcast('again', { key: 'k' })
  await until(async () => !(await hub.broadcast('again', { key: 'k' })).duplicate, 'the end of the window')
  const third = await hub.broadcast('again', { key: 'k' })
  t.match(third, { duplicate: true, matched: 1 })
  t.ok(third.offset > first.offset)
  t.same(await client.quiet(), ['again', 'again'])
})

t.test('when the hub is closed, every verb says so', async (t) => {
  const { app, app: { hub } } = await listen(t)
  const { offset } = await hub.send({ user: 'bob' }, 'x')
  await app.close()
  const verbs = { send: () => hub.send({ user: 'bob' }, 'x'), join: () => hub.join({ user: 'bob' }, 'g'), leave: () => hub.leave({ user: 'bob' }, 'g'), joinOne: () => hub.join('c', 'g'), groups: () => hub.groups(), clients: () => hub.clients(), inbox: () => hub.inbox('bob'), purge: () => hub.purgeInbox('bob'), fate: () => hub.messageStatus(offset), disconnect: () => hub.disconnect({ all: true }) }
  for (const [name, verb] of Object.entries<() => Promise<unknown>>(verbs)) await t.rejects(verb().then(() => {}), { code: 'HUB_DRAINING' }, name)
})
