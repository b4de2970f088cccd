import t, { type Test } from 'tap'
import { createMemoryEngine } from '../../../services/engine/memory/engine.ts'
import { HubNode, type Admission, type Client, type StartRequest } from '../../../services/hub/node.ts'
import type { HubOptions } from '../../../services/hub/options.ts'
import { CLOSE } from '../../../services/model/close-codes.ts'
import type { Address } from '../../../services/model/message.ts'
import { webPubSub } from '../../../services/protocol/web-pubsub.ts'
import type { Protocol } from '../../../services/protocol/protocol.ts'
import { raw } from '../../../services/protocol/raw.ts'
import { nextTick, Peer, hubOptions } from './peer.ts'

const RELIABLE = 'json.reliable.webpubsub.azure.v1'
const WITHOUT_GREETING = { ...raw, encodeGreeting: () => Buffer.alloc(0) }

/** A node, the events of its clients, and a way to admit and open clients. */
function newNode (t: Test, options: Partial<HubOptions> = {}, isReady = true, now = Date.now) {
  const limits = { maxAgeMs: 600_000, maxCount: 100 }
  const engine = createMemoryEngine({ log: limits, inbox: limits, maxBytes: 100_000, idempotencyWindowMs: 1000, now })
  const node = new HubNode(hubOptions(engine, options))
  if (isReady) node.start()
  t.teardown(async () => {
    for (const client of node.registry.all()) {
      client.terminate(CLOSE.restart)
      node.forget(client, { code: 1000, reason: '' })
    }
    await node.drain()
    await engine.close()
  })
  const events: string[] = []
  node.events.on('open', ({ id }) => events.push(`open ${id}`))
  node.events.on('close', ({ id }, code) => events.push(`close ${id} ${code}`))
  const protocol = webPubSub.get(RELIABLE) ?? raw

  /** Opens a client in the turn of its admission. Resolves with the client and its greeting, or with the refusal. */
  const open = (user: string, start: StartRequest = {}): Promise<{ client?: Client, token?: string, refusal?: unknown }> => {
    return new Promise((resolve) => {
      node.admit({ user, roles: [] }, start, (admission) => {
        if ('error' in admission) return resolve({ refusal: (admission.error as { code?: unknown }).code })
        if ('closeReason' in admission) return resolve({ refusal: admission.closeReason.code })
        const peer = new Peer()
        const client = node.open(admission.ticket, peer, protocol)
        void nextTick().then(() => {
          const [, token = ''] = /"reconnectionToken":"([^"]+)"/.exec(peer.read()) ?? []
          resolve({ client, token })
        })
      })
    })
  }
  return { engine, events, node, open }
}

/** Opens a client of alice on a connection, in the turn of its admission. */
function openOn (node: HubNode, peer: Peer, protocol: Protocol): void {
  node.admit({ user: 'alice', roles: [] }, {}, (admission) => {
    if ('ticket' in admission) node.open(admission.ticket, peer, protocol)
  })
}

t.test('the limits are exact, also while admissions read the state', async (t) => {
  for (const [limits, code] of [[{ maxClients: 3 }, 'HUB_FULL'], [{ maxClientsPerUser: 3 }, 'HUB_USER_FULL']] as const) {
    const { node, open } = newNode(t, limits)
    const starts = [{}, { scope: 'everything' }, { device: 'phone' }, { scope: 'everything' }, { scope: 'everything' }, {}] as const
    const results = await Promise.all(starts.map((start) => open('alice', start)))
    t.equal(node.registry.size, 3)
    t.same(results.filter(({ client }) => client === undefined).map(({ refusal }) => refusal), [code, code, code])
  }
})

t.test('a client that is not admitted creates no durable cursor', async (t) => {
  const { node, open } = newNode(t, { maxClientsPerUser: 1 })
  await open('alice')
  t.same(await open('alice', { scope: 'everything' }), { refusal: 'HUB_USER_FULL' })
  t.notOk(await node.durableCursors.has({ user: 'alice', name: '', scope: 'everything' }))
})

t.test('a resumed client replaces its connection: beyond the limits, under the same id, and closes the old one first', async (t) => {
  const { events, node, open } = newNode(t, { maxClients: 1, maxClientsPerUser: 1, resumeWindowMs: 60_000 })
  const { client, token = '' } = await open('alice')
  if (client === undefined) return t.fail('the client was not opened')
  const claim = { clientId: client.id, token, user: 'alice', protocol: RELIABLE }
  await node.memberships.set(client.id, 'news', true)
  const [one, two] = await Promise.all([open('alice', { claim }), open('alice', { claim })])
  t.same([one.client?.id, two.client?.id, node.registry.size], [client.id, client.id, 1])
  t.equal(node.registry.get(client.id), two.client)
  t.same(two.client?.groups, ['news'], 'the groups of the connection, not of an older session')
  t.same(events.slice(0, 3), [`open ${client.id}`, `close ${client.id} 4001`, `open ${client.id}`])
  t.equal(events.length, 5)
  t.same(await open('alice', { claim: { ...claim, token: 'x' } }), { refusal: 1008 }, 'a wrong claim has to start over')
})

t.test('a lost connection may be resumed within the window, with the newest session, device and groups', async (t) => {
  const clock = { now: 0, wall: () => clock.now, steady: () => clock.now }
  const { engine, node, open } = newNode(t, { resumeWindowMs: 60_000, clock }, true, clock.wall)
  const { client, token = '' } = await open('alice', { device: 'phone' })
  if (client === undefined) return t.fail('the client was not opened')
  const { offset } = await node.publisher.publish({ user: 'alice' }, { kind: 'text', data: 'x' }, {})
  const claim = { clientId: client.id, token, user: 'alice', protocol: RELIABLE }

  // The client acknowledges while the admission reads the stored session.
  const get = engine.state.get.bind(engine.state)
  engine.state.get = async (key) => {
    const value = await get(key)
    node.acknowledge(client, offset)
    return value
  }
  const { client: resumed } = await open('alice', { claim })
  engine.state.get = get
  t.match(resumed, { id: client.id, durableCursor: { name: 'phone' }, cursor: { acknowledged: offset } })

  for (const [passed, expected] of [[59_000, undefined], [61_000, 1008]] as const) {
    for (const one of node.registry.all()) {
      one.terminate(CLOSE.heartbeatLost)
      node.forget(one, CLOSE.abnormal)
    }
    await nextTick()
    clock.now += passed
    t.equal((await open('alice', { claim })).refusal, expected, `after ${passed} ms`)
  }
})

t.test('a client receives no message that was published before it opened, kept or not', async (t) => {
  const { node } = newNode(t)
  const publish = (data: string, keep: boolean) => {
    return node.publisher.publish({ all: true }, { kind: 'text', data }, { keep })
  }
  const before = [publish('kept before', true), publish('before', false)]
  const peer = new Peer()
  openOn(node, peer, WITHOUT_GREETING)
  const after = publish('after', false)
  t.same((await Promise.all([...before, after])).map(({ matched }) => matched), [0, 0, 1])
  await nextTick()
  t.match(peer.read(), /^[^a-z]*after$/)
})

t.test('a client that is not live yet receives pending messages in the order of their offsets, once', async (t) => {
  const { node } = newNode(t)
  const peer = new Peer()
  openOn(node, peer, WITHOUT_GREETING)
  const data = ['a', 'b', 'c', 'd']
  await Promise.all(data.map((text, n) => {
    return node.publisher.publish({ all: true }, { kind: 'text', data: text }, { keep: n % 2 === 1 })
  }))
  await nextTick()
  t.same(peer.read().match(/[a-z]/g), data)
})

t.test('neither a reply nor the close notice overtakes a broadcast that was published before', async (t) => {
  const { node } = newNode(t)
  const peer = new Peer()
  const protocol = { ...WITHOUT_GREETING, encodeCloseNotice: () => Buffer.from('z') }
  openOn(node, peer, protocol)
  await nextTick()
  const [client] = [...node.registry.all()]
  const publish = (data: string) => node.publisher.publish({ all: true }, { kind: 'text', data }, {})
  const first = publish('a')
  client?.reply('b')
  const second = publish('c')
  client?.close({ code: 4000, reason: '' })
  await Promise.all([first, second])
  t.same(peer.read().match(/[a-z]/g), ['a', 'b', 'c', 'z'])
})

t.test('only a ready node admits clients', async (t) => {
  const { node, open } = newNode(t, {}, false)
  t.throws(() => node.assertCapacity(false), { code: 'HUB_DRAINING' })
  t.same(await open('alice'), { refusal: 'HUB_DRAINING' })
  node.start()
  t.ok((await open('alice')).client)
  const drained = node.drain()
  t.same(await open('alice', { scope: 'everything' }), { refusal: 'HUB_DRAINING' })
  for (const client of node.registry.all()) node.forget(client, { code: 1012, reason: '' })
  await drained
})

t.test('an error of the store refuses the client', async (t) => {
  const { engine, open } = newNode(t)
  engine.state.get = () => Promise.reject(Object.assign(new Error('gone'), { code: 'HUB_STORE_FAILED' }))
  t.same(await open('alice', { scope: 'everything' }), { refusal: 'HUB_STORE_FAILED' })
})

t.test('a ticket has the durable cursor and the start that the client asked for', async (t) => {
  const { node } = newNode(t)
  const admission = await new Promise<Admission>((resolve) => {
    node.admit({ user: 'alice', roles: [] }, { device: 'phone', after: 5 }, resolve)
  })
  t.same(admission, {
    ticket: {
      identity: { user: 'alice', roles: [] },
      durableCursor: { user: 'alice', name: 'phone', scope: 'inbox' },
      start: { after: 5 }
    }
  })
})

t.test('the expiry of a message is recorded only when the message can expire before it is over age', async (t) => {
  const { engine, node } = newNode(t, { maxAges: { inboxMs: 20_000, logMs: 10_000 } })
  const publish = (address: Address, ttl: number) => node.publisher.publish(address, { kind: 'text', data: 'x' }, { ttl })
  const recorded = [await publish({ all: true }, 10), await publish({ user: 'alice' }, 20)]
  for (const ttl of [10.1, 2e6, 1e300]) await publish({ all: true }, ttl)
  await publish({ user: 'alice' }, 20.1)
  const records = await engine.state.list(['ending'], 10)
  t.same(records.map(({ key }) => Number(key.at(-1))), recorded.map(({ offset }) => offset))
})

t.test('the ids of clients rise over a restart behind a clock that was ahead', async (t) => {
  const ahead = Date.now() + 3_600_000
  const { engine, open } = newNode(t, { clock: { wall: () => Date.now(), steady: () => 0 } }, true, () => ahead)
  const { client } = await open('alice')
  t.ok(Number.parseInt(client?.id.split('-')[0] ?? '', 36) > engine.head)
})
