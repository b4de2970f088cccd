import fc from 'fast-check'
import t from 'tap'
import { Client } from '../../../../services/hub/clients/client.ts'
import { Cursor } from '../../../../services/hub/clients/cursor.ts'
import { Registry } from '../../../../services/hub/clients/registry.ts'
import { addressKey, type Address } from '../../../../services/model/message.ts'
import { raw } from '../../../../services/protocol/raw.ts'
import { RateLimit } from '../../../../services/lib/rate-limit.ts'
import { newFlusher, Peer } from '../peer.ts'

const USERS = ['alice', 'bob', 'carol']
const GROUPS = ['news', 'sport', '__proto__']
const clock = { wall: () => 0, steady: () => 0 }

function newClient (id: string, user: string, groups: string[] = []): Client {
  const connection = new Peer()
  return new Client({
    id, identity: { user, roles: [] }, protocol: raw, connection, device: '', clock, outbox: connection.outbox(newFlusher()),
    cursor: new Cursor({ since: 0, groups: groups.map((group) => [group, { since: 0, by: 'client' }] as const) }),
    taskQueueHooks: { onFailure () {}, onPressure () {} }, messageRate: new RateLimit(0), hooks: { onBehind () {}, onOverflow () {} }
  })
}

/** A registry beside the simplest thing that could say the same: a list of who is here. */
class World {
  readonly here: Client[] = []
  /** Clients that were here. */
  readonly gone: Client[] = []
  readonly followed = new Set<string>()
  readonly faults: string[] = []
  readonly registry = new Registry({
    onFirst: (address) => {
      const key = addressKey(address)
      if (this.followed.has(key)) this.faults.push(`${key} is followed twice`)
      this.followed.add(key)
    },
    onLast: (address) => {
      if (!this.followed.delete(addressKey(address))) this.faults.push(`${addressKey(address)} was not followed`)
    }
  })
  #ids = 100

  nextId (): string {
    return `c${this.#ids++}`
  }

  at (address: Address): Client[] {
    return this.here.filter(({ id, identity: { user }, cursor }) => {
      if ('user' in address) return user === address.user
      if ('group' in address) return cursor.groups?.has(address.group) === true
      return 'all' in address || id === address.client
    })
  }

  /** That the registry says of everything what the list says. */
  check (): void {
    const { registry, here } = this
    const same = (actual: unknown, expected: unknown, what: string): void => {
      if (JSON.stringify(actual) !== JSON.stringify(expected)) this.faults.push(`${what}: ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`)
    }
    const ids = (clients: Iterable<Client>): string[] => [...clients].map(({ id }) => id).sort()
    const addresses: Address[] = [{ all: true }, ...USERS.map((user) => ({ user })), ...GROUPS.map((group) => ({ group })), ...[...here, ...this.gone].map(({ id }) => ({ client: id }))]
    const followed = new Set<string>()
    for (const address of addresses) {
      const expected = ids(this.at(address))
      same(ids(registry.match(address)), expected, addressKey(address))
      if (expected.length > 0 && !('all' in address)) followed.add(addressKey(address))
    }
    same([...this.followed].sort(), [...followed].sort(), 'followed')
    same(registry.size, here.length, 'size')
    for (const user of USERS) same(registry.connectionsOf(user), this.at({ user }).length, `devices of ${user}`)
    const groups = GROUPS.map((group) => ({ group, clients: this.at({ group }).length })).filter(({ clients }) => clients > 0)
    same(registry.groups({ limit: 100 }), groups.sort((a, b) => a.group < b.group ? -1 : 1), 'groups')
    same(registry.groups({ limit: 1, after: 'news' }).map(({ group }) => group), groups.map(({ group }) => group).filter((group) => group > 'news').slice(0, 1), 'a page of groups')
    for (const group of GROUPS) {
      const { total, clients } = registry.list({ group, user: 'bob', limit: 2 })
      const expected = ids(this.at({ group }).filter(({ identity: { user } }) => user === 'bob'))
      same([total, clients.map(({ id }) => id)], [expected.length, expected.slice(0, 2)], `bob in ${group}`)
    }
  }
}

type Step = (world: World) => void

const nth = <T>(list: readonly T[], n: number): T | undefined => list[n % list.length]
const index = fc.nat(20)
const group = fc.constantFrom(...GROUPS)

const steps: Array<fc.Arbitrary<Step>> = [
  fc.tuple(fc.constantFrom(...USERS), fc.uniqueArray(group)).map(([user, groups]) => (world) => {
    const client = newClient(world.nextId(), user, groups)
    world.registry.add(client)
    world.here.push(client)
  }),
  index.map((n) => (world) => {
    const client = nth(world.here, n)
    if (client === undefined) return
    if (!world.registry.remove(client)) world.faults.push('one who was here was not')
    world.here.splice(world.here.indexOf(client), 1)
    world.gone.push(client)
  }),
  fc.tuple(index, group).map(([n, group]) => (world) => {
    const client = nth(world.here, n)
    if (client !== undefined) world.registry.join(client, group, { since: 1, by: 'client' })
  }),
  fc.tuple(index, group).map(([n, group]) => (world) => {
    const client = nth(world.here, n)
    const isMember = client?.cursor.groups?.has(group) === true
    if (client !== undefined && world.registry.leave(client, group) !== isMember) world.faults.push('leaving says whether it was a member')
  }),
  // Late words about clients that are gone.
  fc.tuple(index, group, fc.constantFrom('join', 'leave', 'remove')).map(([n, group, verb]) => (world) => {
    const client = nth(world.gone, n)
    if (client === undefined) return
    if (verb === 'join') world.registry.join(client, group, { since: 1, by: 'client' })
    else if (verb === 'leave') world.registry.leave(client, group)
    else if (world.registry.remove(client)) world.faults.push('one who was gone was here')
  }),
  // A connection that is resumed under its id, and what is heard of the one before afterwards.
  fc.tuple(index, fc.uniqueArray(group)).map(([n, groups]) => (world) => {
    const old = nth(world.here, n)
    if (old === undefined) return
    world.registry.remove(old)
    const resumed = newClient(old.id, old.identity.user, groups)
    world.registry.add(resumed)
    world.here.splice(world.here.indexOf(old), 1, resumed)
    if (world.registry.remove(old)) world.faults.push('the old one took the new one with it')
    world.registry.leave(old, groups[0] ?? 'news')
    world.registry.join(old, 'sport', { since: 1, by: 'client' })
  })
]

t.test('says who is where, whoever came, went, joined, left or was resumed, in whatever order', async () => {
  fc.assert(fc.property(fc.array(fc.oneof(...steps), { maxLength: 40 }), (sequence) => {
    const world = new World()
    for (const step of sequence) {
      step(world)
      world.check()
      if (world.faults.length > 0) throw new Error(world.faults.join('\n'))
    }
  }), { numRuns: 300 })
})

t.test('resolves emptied when the last one has been released, also when nobody was there', async (t) => {
  const registry = new Registry({ onFirst () {}, onLast () {} })
  await registry.emptied()
  const [one, two] = [newClient('c1', 'alice'), newClient('c2', 'alice')]
  registry.add(one)
  registry.add(two)
  const told: string[] = []
  const emptied = registry.emptied().then(() => told.push('emptied'))
  for (const client of [one, two]) {
    registry.remove(client)
    t.equal(registry.isEmpty, false, 'its application has not been told')
    told.push(client.id)
    registry.release(client)
  }
  await emptied
  t.same(told, ['c1', 'c2', 'emptied'])
})

t.test('keeps no part of a client that the engine would not follow', async (t) => {
  const followed = new Set<string>()
  const registry = new Registry({
    onFirst: (address) => {
      if ('user' in address && address.user === 'eve') throw new Error('no')
      followed.add(addressKey(address))
    },
    onLast: (address) => followed.delete(addressKey(address))
  })
  t.throws(() => registry.add(newClient('c1', 'eve', ['news'])), /no/)
  t.equal(registry.size, 0)
  t.same(registry.groups({ limit: 10 }), [])
  t.same([...registry.match({ user: 'eve' })], [])
  t.same([...followed], [])
  t.equal(registry.isEmpty, true)
})
