// A node that lost records for good tells each of its clients once, and delivers what comes after.

import t from 'tap'
import { HubNode } from '../../../../services/hub/node.ts'
import { Hub } from '../../../../services/hub/hub.ts'
import { createSlowEngine } from '../../../engine-suite/slow.ts'
import { until } from '../../../support/until.ts'
import { byCommand, byPong, Peer } from '../client-model/rig.ts'
import { hubOptions } from '../peer.ts'

const DAY_MS = 24 * 3_600_000
const LIMITS = { maxAgeMs: DAY_MS, maxCount: 1000 }

t.test('a hole is a gap for every client, live or behind, notified once', async (t) => {
  const { engine, order } = createSlowEngine({ log: LIMITS, inbox: LIMITS, maxBytes: 1e6, idempotencyWindowMs: 1000 })
  const node = new HubNode(hubOptions(engine, { queue: { maxBytes: 100, maxWrites: 6, policy: 'catchUp' } }))
  const hub = new Hub(node)
  node.start()
  const connect = async (user: string, protocol: typeof byPong): Promise<Peer> => {
    const peer = new Peer(node, protocol)
    node.admit({ user, roles: [] }, {}, (admission) => { peer.open(admission) })
    await until(async () => (await hub.clients({ user })).clients[0]?.behind === false, 'being live')
    return peer
  }
  const reader = await connect('alice', byCommand)
  const frozen = await connect('bob', byPong)
  const texts = (peer: Peer): string[] => peer.read.map(({ data }) => data)
  const broadcast = (...texts: string[]): Promise<unknown> => Promise.all(texts.map((text) => hub.broadcast(text)))

  await broadcast('a', 'b')
  frozen.freeze()
  await broadcast(...'cdefghijkl')
  order.lose()
  await broadcast('m')
  await until(() => texts(reader).length === 13)
  t.same([texts(reader), reader.gaps], [[...'abcdefghijklm'], 1])
  frozen.thaw()
  await until(() => texts(frozen).length === 13)
  t.same([texts(frozen), frozen.gaps], [[...'abcdefghijklm'], 1])

  const later = await connect('carol', byCommand)
  order.lose()
  order.lose()
  await until(() => [reader, frozen, later].every(({ gaps }) => gaps >= 1))
  await broadcast('n')
  await until(() => [reader, frozen, later].every((peer) => texts(peer).at(-1) === 'n'))
  t.same([texts(reader), texts(frozen), texts(later)], [[...'abcdefghijklmn'], [...'abcdefghijklmn'], ['n']])
  t.ok([reader, frozen].every(({ gaps }) => gaps === 2 || gaps === 3) && later.gaps <= 2, 'two holes are one gap or two')
  for (const peer of [reader, frozen, later]) peer.cut()
  for (const peer of [reader, frozen, later]) peer.detach()
  await hub.drain()
  await engine.close()
})
