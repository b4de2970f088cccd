import fc from 'fast-check'
import t from 'tap'
import { connect, listen, until } from '../../../support/helper.ts'
import { PLAIN, type JsonClient, connectJson, type JsonFrame } from '../../../support/json-client.ts'
import { isEngineSlow } from '../../../support/slow-engine.ts'

type App = Awaited<ReturnType<typeof listen>>['app']

/** Resolves with the ids of all connections, oldest first, when all are live. */
async function live (app: App, size: number): Promise<string[]> {
  let ids: string[] = []
  await until(async () => {
    const { clients } = await app.hub.clients()
    ids = clients.map(({ id }) => id)
    return clients.length === size && clients.every(({ behind }) => !behind)
  }, 'all to be live')
  return ids
}

/** Returns the data of all messages that a client has received and not read. */
async function data (client: JsonClient): Promise<unknown[]> {
  return (await client.quiet()).map((text) => (JSON.parse(String(text)) as JsonFrame)['data'])
}

t.test('messages to a group reach the members only, in order with all other messages', async (t) => {
  const { app: { hub }, app, url } = await listen(t)
  const [one, two] = [await connect(t, url), await connect(t, url, { user: 'bob' })]
  const three = await connect(t, url, { user: 'carol' })
  const [a = '', b = ''] = await live(app, 3)
  await hub.join(a, 'news')
  await hub.join(b, 'news')
  await hub.join(b, 'other')
  t.match(await hub.send({ group: 'news' }, 'n1'), { matched: 2, written: 2, stored: true })
  // In one tick: the messages are in the order of the calls.
  const receipts = await Promise.all([
    hub.broadcast('all 1'), hub.send({ group: 'other' }, 'o1'), hub.broadcast('all 2'),
    hub.send({ group: 'news' }, 'n2'), hub.send({ user: 'bob' }, 'u1')
  ])
  t.same(receipts.map(({ matched }) => matched), [3, 1, 3, 2, 1])
  t.match(await hub.send([{ group: 'news' }, { group: 'other' }], 'both'), [{ matched: 2 }, { matched: 1 }])
  t.match(await hub.send({ group: 'news' }, 'not b', { except: [b] }), { matched: 1 })

  await hub.leave(b, 'news')
  t.match(await hub.send({ group: 'news' }, 'n3'), { matched: 1 })
  await hub.leave(b, 'news')
  await hub.leave(a, 'never was in it')
  t.same(await one.quiet(), ['n1', 'all 1', 'all 2', 'n2', 'both', 'not b', 'n3'])
  t.same(await two.quiet(), ['n1', 'all 1', 'o1', 'all 2', 'n2', 'u1', 'both', 'both'])
  t.same(await three.quiet(), ['all 1', 'all 2'])
})

// On a slow engine, a message that was published in the same tick is ordered after the join.
if (!isEngineSlow()) {
  t.test('a client that joins a group receives the messages from then on, in the same tick too', async (t) => {
    const { app: { hub }, app, url } = await listen(t)
    const client = await connect(t, url)
    const [id = ''] = await live(app, 1)
    const sent = [hub.send({ group: 'news' }, 'before')]
    const joined = hub.join(id, 'news')
    sent.push(hub.send({ group: 'news' }, 'after'))
    const left = joined.then(() => hub.leave(id, 'news')).then(() => hub.send({ group: 'news' }, 'when it had left'))
    t.same((await Promise.all([...sent, left])).map(({ matched }) => matched), [0, 1, 0])
    await hub.join(id, 'news')
    await hub.send({ group: 'news' }, 'again')
    t.same(await client.quiet(), ['after', 'again'])
  })
}

t.test('a client that catches up receives messages to the groups that it joins meanwhile', async (t) => {
  const { app: { hub }, url } = await listen(t)
  for (let n = 0; n < 1000; n++) await hub.send({ user: 'bob' }, `message ${n}`)
  const expected = Array.from({ length: 1000 }, (_, n) => `message ${n}`)
  const calls: Array<Promise<unknown>> = []
  hub.on('open', ({ id }) => {
    calls.push(
      hub.send({ group: 'news' }, 'before'), hub.join(id, 'news'), hub.send({ group: 'news' }, 'after'),
      hub.join(id, 'other'), hub.leave(id, 'news'), hub.send({ group: 'news' }, 'left'),
      hub.send({ group: 'other' }, 'end')
    )
  })
  const bob = await connect(t, url, { user: 'bob' })
  const got: unknown[] = []
  while (got.at(-1) !== 'end') got.push(await bob.next())
  await Promise.all(calls)
  t.same(got, [...expected, 'end'], 'no messages of a group that it has left')
  t.same(await bob.quiet(), [])
})

t.test('with any sequence of joins, leaves and lost connections, members receive exactly their messages', async (t) => {
  const { app: { hub }, app, url } = await listen(t, { websocket: { upgradesPerSecond: 0, maxClientsPerUser: 0 } })
  const verb = fc.constantFrom('join', 'join', 'leave', 'send', 'send', 'send', 'lose')
  const step = fc.record({ verb, who: fc.nat(2), group: fc.constantFrom('a', 'b') })
  let sent = 0
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const all = await Promise.all([0, 1, 2].map(async () => {
      const client = await connectJson(t, url, { subprotocol: PLAIN })
      return { client, groups: new Set<string>(), expected: [] as string[], isHere: true }
    }))
    // A client that is still behind does not receive a message of a group that it leaves at once.
    await until(async () => (await hub.clients()).clients.every(({ behind }) => !behind), 'live clients')
    const compare = async ({ client, expected }: typeof all[number]): Promise<void> => {
      const got = await data(client)
      if (got.join() !== expected.join()) throw new Error(`${got.join()}, not ${expected.join()}`)
    }
    for (const { verb, who, group } of steps) {
      const one = all[who]
      if (one?.isHere !== true) continue
      if (verb === 'join') await hub.join(one.client.id, group).then(() => one.groups.add(group))
      if (verb === 'leave') await hub.leave(one.client.id, group).then(() => one.groups.delete(group))
      if (verb === 'send') {
        const members = all.filter(({ groups, isHere }) => isHere && groups.has(group))
        for (const { expected } of members) expected.push(`${sent}`)
        const { matched } = await hub.send({ group }, `${sent++}`)
        if (matched !== members.length) throw new Error(`${matched} members of ${group}, not ${members.length}`)
      }
      if (verb !== 'lose') continue
      await compare(one)
      await one.client.dropConnection(app)
      one.isHere = false
    }
    for (const one of all.filter(({ isHere }) => isHere)) {
      await compare(one)
      await one.client.dropConnection(app)
    }
    if ((await hub.groups()).groups.length > 0) throw new Error('a group outlives its members')
  }), { numRuns: 20 })
  t.equal(hub.size, 0)
})

t.test('a membership ends with its connection', async (t) => {
  const { app: { hub }, app, url } = await listen(t)
  const first = await connect(t, url)
  const [id = ''] = await live(app, 1)
  await hub.join(id, 'news')
  first.socket.close()
  await until(() => hub.size === 0)
  t.same(await hub.groups(), { groups: [], next: null })
  t.match(await hub.send({ group: 'news' }, 'x'), { matched: 0 })
  await t.rejects(hub.join(id, 'news'), { code: 'HUB_CLIENT_NOT_FOUND' })
  const second = await connect(t, url)
  await live(app, 1)
  t.match(await hub.send({ group: 'news' }, 'x'), { matched: 0 })
  t.same(await second.quiet(), [])
})

t.test('a token may name groups to join on connecting', async (t) => {
  const { app: { hub }, app, url } = await listen(t)
  await hub.send({ group: 'news' }, 'before it came')
  const bob = await connectJson(t, url, { groups: ['news', 'ö/?'], roles: [] })
  await until(async () => (await hub.groups()).groups.length === 2, 'the groups of the token')
  t.match(await hub.clients({ group: 'ö/?' }), { total: 1, clients: [{ id: bob.id, groups: ['news', 'ö/?'] }] })
  await hub.send({ group: 'news' }, 'hello')
  t.match(await bob.nextJson(), { from: 'group', group: 'news', data: 'hello' })
  await hub.leave(bob.id, 'news')
  t.match(await hub.send({ group: 'news' }, 'it has left'), { matched: 0 })

  await bob.dropConnection(app)
  const resumed = await connectJson(t, url, { groups: ['news', 'ö/?', 'later'], query: bob.resumeQuery })
  await live(app, 1)
  t.match(await hub.clients({ user: 'bob' }), { clients: [{ groups: ['ö/?'] }] }, 'the groups of the session')
  t.same(await data(resumed), [], 'no messages of a group that it has left')
  await resumed.dropConnection(app)
  await connectJson(t, url, { groups: ['later'], query: bob.resumeQuery })
  const groupsOfBob = async (): Promise<string[] | undefined> => (await hub.clients({ user: 'bob' })).clients[0]?.groups
  await until(async () => (await groupsOfBob())?.length === 0, 'leaving the group that the new token does not name')
  const fresh = await connect(t, url, { user: 'bob' })
  await live(app, 2)
  t.match(await hub.send({ group: 'news' }, 'x'), { matched: 0 }, 'another token, other groups')
  t.same(await fresh.quiet(), [])
})

t.test('a client and a user may be in 1000 groups, and no more', async (t) => {
  const { app: { hub }, app, url } = await listen(t)
  const bob = await connect(t, url, { user: 'bob' })
  const [id = ''] = await live(app, 1)
  for (let n = 0; n < 1000; n++) await hub.join(id, `group ${n}`)
  await t.rejects(hub.join(id, 'one more'), { code: 'HUB_REQUEST_INVALID', statusCode: 400 })
  await hub.join(id, 'group 7')
  await hub.leave(id, 'group 7')
  await hub.join(id, 'one more')
  t.match(await hub.send({ group: 'one more' }, 'x'), { matched: 1 })
  t.equal(await bob.next(), 'x')

  for (let n = 0; n < 1000; n++) await hub.join({ user: 'alice' }, `group ${n}`)
  await t.rejects(hub.join({ user: 'alice' }, 'one more'), { code: 'HUB_REQUEST_INVALID' })
  await hub.leave({ user: 'alice' }, 'group 7')
  await hub.join({ user: 'alice' }, 'last')
  await connect(t, url, { user: 'alice' })
  await until(async () => (await hub.clients({ group: 'last' })).total === 1, 'alice to be a member')
  t.equal((await hub.clients({ user: 'alice' })).clients[0]?.groupCount, 1000)
})

t.test('an invalid group name is refused', async (t) => {
  const { app: { hub }, app, url } = await listen(t)
  await connect(t, url)
  const [id = ''] = await live(app, 1)
  for (const group of ['', 'x'.repeat(257), '\ud800']) {
    await t.rejects(hub.join(id, group), { code: 'HUB_ADDRESS_INVALID' }, JSON.stringify(group))
    await t.rejects(hub.leave(id, group), { code: 'HUB_ADDRESS_INVALID' }, JSON.stringify(group))
    await t.rejects(hub.send({ group }, 'x'), { code: 'HUB_ADDRESS_INVALID' }, JSON.stringify(group))
  }
  await hub.join(id, 'x'.repeat(256))
  t.match(await hub.groups(), { groups: [{ group: 'x'.repeat(256), clients: 1 }] })
})

t.test('a resumed client is in its groups, and receives the messages published meanwhile', async (t) => {
  const { app: { hub }, app, url } = await listen(t)
  const bob = await connectJson(t, url)
  await live(app, 1)
  await hub.join(bob.id, 'news')
  await hub.send({ group: 'other' }, 'no member')
  await bob.dropConnection(app)
  t.match(await hub.send({ group: 'news' }, 'meanwhile'), { matched: 0, stored: true })
  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  t.match(await resumed.nextJson(), { group: 'news', data: 'meanwhile' })
  t.match(await hub.send({ group: 'news' }, 'live'), { matched: 1 })
  t.same(await data(resumed), ['live'])
})

t.test('a user who is removed from a group while a connection is lost is not a member on resuming', async (t) => {
  const { app: { hub }, app, url } = await listen(t)
  const bob = await connectJson(t, url)
  await live(app, 1)
  await hub.join(bob.id, 'news')
  await hub.join(bob.id, 'other')
  await bob.dropConnection(app)
  await hub.leave({ user: 'bob' }, 'news')
  await hub.send({ group: 'news' }, 'not for bob')
  await hub.send({ group: 'other' }, 'meanwhile')
  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  t.match(await resumed.nextJson(), { group: 'other', data: 'meanwhile' })
  await live(app, 1)
  t.match(await hub.send({ group: 'news' }, 'not for bob either'), { matched: 0 })
  t.same(await data(resumed), [])
})

t.test('a user who is added to a group while a connection is lost receives the messages from then on', async (t) => {
  const { app: { hub }, app, url } = await listen(t)
  const bob = await connectJson(t, url)
  await live(app, 1)
  await hub.send({ group: 'news' }, 'before he was lost')
  await bob.dropConnection(app)
  await hub.send({ group: 'news' }, 'before he was a member')
  await hub.join({ user: 'bob' }, 'news')
  await hub.send({ group: 'news' }, 'as a member')
  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  await live(app, 1)
  t.same(await data(resumed), ['as a member'])
})

t.test('a user who was removed from a group and has joined again stays a member on resuming', async (t) => {
  const { app: { hub }, app, url } = await listen(t)
  const bob = await connectJson(t, url)
  await live(app, 1)
  await hub.leave({ user: 'bob' }, 'news')
  await hub.join(bob.id, 'news')
  await bob.dropConnection(app)
  await hub.send({ group: 'news' }, 'meanwhile')
  const resumed = await connectJson(t, url, { query: bob.resumeQuery })
  await live(app, 1)
  t.same(await data(resumed), ['meanwhile'])
})
