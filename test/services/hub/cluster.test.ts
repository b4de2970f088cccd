import t from 'tap'
import { Cluster } from '../../../services/hub/cluster.ts'

/** All nodes of a cluster, whose results are given. */
function clusterOf (...answers: unknown[]): Cluster {
  return new Cluster({ nodes: answers.length, ask: async () => ({ answers, asked: answers.length }), respond () {} })
}

const client = (id: string) => ({ id, user: id })

t.test('counts, users and numbers of all nodes are merged', async (t) => {
  const counts = { matched: 2, written: 1, dropped: 1 }
  t.same(await clusterOf(counts, counts).delivery(7), { matched: 4, written: 2, dropped: 2 })
  t.equal(await clusterOf(2, 0, 3).disconnect({ all: true }, 4000, ''), 5)
  const change = { address: { all: true }, group: 'news', isMember: true, isOwnWish: false } as const
  t.same(await clusterOf(['alice'], [], ['bob', 'alice']).changeMembership(change), ['alice', 'bob', 'alice'])
})

t.test('the progress of a user is that of the furthest connection on any node', async (t) => {
  const progress = (isSent: boolean, isAcknowledged: boolean) => [{ user: 'alice', isSent, isAcknowledged }]
  const merged = await clusterOf(progress(true, false), progress(false, true), progress(false, false))
    .progress({ address: { all: true }, offset: 1, except: [] })
  t.same(merged, progress(true, true))
})

t.test('pages of clients and groups hold the first entries of all nodes', async (t) => {
  const page = (...ids: string[]) => ({ total: 10, dropped: 1, clients: ids.map(client) })
  const clients = clusterOf(page('a', 'd', 'e'), page('b', 'c'))
  t.match(await clients.clients({ limit: 3 }), { total: 20, dropped: 2, clients: ['a', 'b', 'c'].map(client), next: 'c' })
  t.match(await clients.clients({ limit: 5 }), { clients: ['a', 'b', 'c', 'd', 'e'].map(client), next: null })
  const groups = clusterOf([{ group: 'a', clients: 1 }, { group: 'c', clients: 1 }], [{ group: 'a', clients: 2 }, { group: 'b', clients: 1 }])
  t.same(await groups.groups({ limit: 2 }), { groups: [{ group: 'a', clients: 3 }, { group: 'b', clients: 1 }], next: 'b' })
})

t.test('a question of an unknown kind is an error', (t) => {
  const responder = Cluster.responder({} as Parameters<typeof Cluster.responder>[0])
  t.throws(() => responder('weather', {}), { message: /"weather"/ })
  t.end()
})
