import t, { type Test } from 'tap'
import { createMemoryEngine } from '../../../../services/engine/memory/engine.ts'
import type { Range } from '../../../../services/engine/store.ts'
import { HubNode, type Client } from '../../../../services/hub/node.ts'
import type { Clock } from '../../../../services/lib/clock.ts'
import { raw } from '../../../../services/protocol/raw.ts'
import { hubOptions, nextTick, Peer } from '../peer.ts'

/** A node on a log that keeps all messages, and a way to open live clients. */
function newNode (t: Test, clock: Clock) {
  const limits = { maxAgeMs: 600_000, maxCount: 10_000 }
  const engine = createMemoryEngine({ log: limits, inbox: limits, maxBytes: 10_000_000, idempotencyWindowMs: 1000 })
  const node = new HubNode(hubOptions(engine, { clock }))
  node.start()
  t.teardown(async () => {
    for (const client of node.registry.all()) node.forget(client, { code: 1000, reason: '' })
    await node.drain()
    await engine.close()
  })
  const open = async (user: string): Promise<Client> => {
    const client = await new Promise<Client>((resolve) => node.admit({ user, roles: [] }, {}, (admission) => {
      if ('ticket' in admission) resolve(node.open(admission.ticket, new Peer(), raw))
    }))
    while (!client.isLive) await nextTick()
    return client
  }
  const publish = (group: string, except: string[]) => {
    return node.publisher.publish({ group }, { kind: 'text', data: 'x' }, { except })
  }
  return { engine, node, open, publish }
}

t.test('clients that skip many messages share the event loop with everything else, and with each other', async (t) => {
  let now = 0
  // Each reading of the clock finds a ms gone by.
  const { engine, node, open, publish } = newNode(t, { wall: () => 0, steady: () => ++now })
  const [alice, bob] = [await open('alice'), await open('bob')]
  await node.memberships.set({ all: true }, 'news', true)
  const { head } = engine
  for (let n = 0; n < 2000; n++) await publish('news', [alice.id, bob.id])
  for (const client of [alice, bob]) client.fallBehind(head)

  let turns = 0
  while (!alice.isLive) {
    await nextTick()
    turns++
  }
  t.ok(turns > 20, 'the pages are read in many turns')
  t.ok(bob.isLive || bob.cursor.position > head + (engine.head - head) / 2, 'no client waits for the end of another')
  while (!bob.isLive) await nextTick()
})

t.test('a client in many groups reads only those to which something was published', async (t) => {
  const { engine, node, open, publish } = newNode(t, { wall: () => 0, steady: () => 0 })
  const alice = await open('alice')
  await publish('g3', [])
  for (let n = 0; n < 100; n++) await node.memberships.set(alice.id, `g${n}`, true)
  const reads: Array<readonly Range[]> = []
  const read = engine.read.bind(engine)
  engine.read = (ranges, limit) => {
    reads.push(ranges)
    return read(ranges, limit)
  }
  const { head } = engine
  await publish('g5', [])
  await publish('g7', [])
  await publish('no member', [])
  alice.fallBehind(head)
  while (!alice.isLive) await nextTick()
  const groups = reads.map((ranges) => ranges.flatMap(({ address }) => 'group' in address ? [address.group] : []))
  t.same(groups, [['g5', 'g7']])

  const bob = await open('bob')
  for (const client of [alice, bob]) await node.memberships.set(client.id, 'g3', false)
  await publish('g3', [])
  await node.memberships.set(bob.id, 'g3', true)
  reads.length = 0
  bob.fallBehind(engine.head)
  while (!bob.isLive) await nextTick()
  t.same(reads.flat().filter(({ address }) => 'group' in address), [], 'a message from before the membership is not read')
})
