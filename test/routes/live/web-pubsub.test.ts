import { WebPubSubClient, WebPubSubJsonProtocol, WebPubSubJsonReliableProtocol, type OnServerDataMessageArgs, type OnGroupDataMessageArgs } from '@azure/web-pubsub-client'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { listen, token, until } from '../../support/helper.ts'

/** The unmodified client of the published subprotocol, and what it got. */
async function start (t: Test, url: string, { user = 'bob', roles = ['webpubsub.joinLeaveGroup', 'webpubsub.sendToGroup'], isReliable = true, query = '' } = {}) {
  const protocol = isReliable ? WebPubSubJsonReliableProtocol() : WebPubSubJsonProtocol()
  const client = new WebPubSubClient({ getClientAccessUrl: async () => `${url}?token=${token({ user, roles })}${query}` }, { protocol, messageRetryOptions: { maxRetries: 0 }, keepAliveIntervalInMs: 200, keepAliveTimeoutInMs: 3000 })
  const got: unknown[] = []
  const connected: string[] = []
  client.on('server-message', ({ message: { data } }: OnServerDataMessageArgs) => { got.push(data) })
  client.on('group-message', ({ message: { data, group, fromUserId } }: OnGroupDataMessageArgs) => { got.push({ data, group, fromUserId }) })
  client.on('connected', ({ connectionId }) => { connected.push(connectionId) })
  t.teardown(() => client.stop())
  await client.start()
  await until(() => connected.length > 0)
  return { client, got, connected, id: () => connected.at(-1) ?? '' }
}

for (const isReliable of [true, false]) {
  t.test(`the ${isReliable ? 'reliable' : 'plain'} subprotocol: messages, groups, events, invocations`, async (t) => {
    const { app, url } = await listen(t)
    app.hub.action('sum', Type.Array(Type.Number()), (numbers) => numbers.reduce((total, number) => total + number, 0))
    const heard: unknown[] = []
    app.hub.action('note', Type.Unknown(), (data) => { heard.push(data) })
    const bob = await start(t, url, { isReliable })
    const alice = await start(t, url, { user: 'alice', isReliable })

    await app.hub.broadcast({ to: 'all' })
    await app.hub.send({ user: 'bob' }, 'text')
    await until(() => bob.got.length === 2 && alice.got.length === 1)
    t.same(bob.got, [{ to: 'all' }, 'text'])

    await bob.client.joinGroup('news')
    await alice.client.joinGroup('news')
    await bob.client.sendToGroup('news', { k: 1 }, 'json', { noEcho: true })
    await bob.client.sendToGroup('news', 'plain', 'text')
    await bob.client.sendToGroup('news', Uint8Array.from([1, 2, 3]).buffer, 'binary')
    await until(() => alice.got.length === 4 && bob.got.length === 4)
    t.match(alice.got[1], { data: { k: 1 }, group: 'news', fromUserId: 'bob' })
    t.match(bob.got[2], { data: 'plain', group: 'news' })
    t.same(Buffer.from((alice.got[3] as { data: ArrayBuffer }).data), Buffer.from([1, 2, 3]))

    await alice.client.leaveGroup('news')
    t.match(await app.hub.send({ group: 'news' }, 'from the server'), { matched: 1, written: 1 })
    await until(() => bob.got.length === 5)

    await bob.client.sendEvent('note', { a: [1] }, 'json')
    t.same(heard, [{ a: [1] }])
    await t.rejects(bob.client.sendEvent('nothing', 1, 'json'))
  })
}

t.test('an ackId that was used is answered as a duplicate, and nothing is sent twice', async (t) => {
  const { url } = await listen(t)
  const bob = await start(t, url)
  await bob.client.joinGroup('news')
  t.match(await bob.client.sendToGroup('news', 'once', 'text', { ackId: 77 }), { isDuplicated: false })
  t.match(await bob.client.sendToGroup('news', 'once', 'text', { ackId: 77 }), { isDuplicated: true })
  await bob.client.sendToGroup('news', 'end', 'text')
  await until(() => bob.got.length === 2)
  t.match(bob.got, [{ data: 'once' }, { data: 'end' }])
})

t.test('what the token does not allow is refused', async (t) => {
  const { url } = await listen(t)
  const eve = await start(t, url, { user: 'eve', roles: ['webpubsub.joinLeaveGroup.public'] })
  await eve.client.joinGroup('public')
  t.match(await refusal(eve.client.joinGroup('private')), { name: 'Forbidden' })
  t.match(await refusal(eve.client.sendToGroup('public', 'x', 'text')), { name: 'Forbidden' })
})

t.test('a reliable client that lost its connection goes on where it was, in its groups, without a message lost or twice', async (t) => {
  const { app, url, cut } = await listen(t)
  let cuts = 0
  app.hub.on('close', (_client, code) => { if (code === 1006) cuts++ })
  const bob = await start(t, url)
  await bob.client.joinGroup('news')
  const id = bob.id()
  const said: string[] = []
  for (let n = 0; n < 30; n++) {
    said.push(`${n}`)
    await app.hub.send(n % 3 === 0 ? { all: true } : n % 3 === 1 ? { user: 'bob' } : { group: 'news' }, `${n}`)
    if (n % 10 !== 5) continue
    await until(() => app.hub.client(id) !== undefined, 'the connection to be back')
    cut()
  }
  await until(() => bob.got.length >= said.length, 'all messages')
  t.same(bob.got.map((data) => typeof data === 'string' ? data : (data as { data: string }).data), said)
  t.same(bob.connected, [id], 'it is the same connection')
  t.equal(app.hub.size, 1)
  t.equal(cuts, 3)
})

/** How the hub refused something. */
async function refusal (asked: Promise<unknown>): Promise<unknown> {
  const error: unknown = await asked.catch((error: unknown) => error)
  return typeof error === 'object' && error !== null && 'errorDetail' in error ? error.errorDetail : error
}
