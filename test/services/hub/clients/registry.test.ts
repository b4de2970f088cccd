import fc from 'fast-check'
import t from 'tap'
import type { Client } from '../../../../services/hub/clients/client.ts'
import { Cursor } from '../../../../services/hub/clients/cursor.ts'
import { Registry } from '../../../../services/hub/clients/registry.ts'
import { addressKey, type Address } from '../../../../services/model/message.ts'
import { newClient as newClientOn, newFlusher, Peer } from '../peer.ts'

const USERS = ['alice', 'bob', 'carol']
const GROUPS = ['news', 'sport', '__proto__']

function newClient (id: string, user: string, groups: string[] = []): Client {
  const cursor = new Cursor({ since: 0, groups: groups.map((group) => [group, { since: 0, by: 'client' }] as const) })
  return newClientOn(new Peer(), { id, identity: { user, roles: [] }, cursor })
}

/** A registry beside a model: a plain list of the connected clients. */
class World {
  readonly here: Client[] = []
  /** Removed clients. */
  readonly gone: Client[] = []
  readonly faults: string[] = []
  readonly registry = new Registry(newFlusher(), { head: 0 })
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

  /** Compares all answers of the registry with the model. */
  check (): void {
    const { registry, here } = this
    const same = (actual: unknown, expected: unknown, what: string): void => {
      const [got, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
      if (got !== wanted) this.faults.push(`${what}: ${got}, not ${wanted}`)
    }
    const ids = (clients: Iterable<Client>): string[] => [...clients].map(({ id }) => id).sort()
    const addresses: Address[] = [
      { all: true },
      ...USERS.map((user) => ({ user })),
      ...GROUPS.map((group) => ({ group })),
      ...[...here, ...this.gone].map(({ id }) => ({ client: id }))
    ]
    for (const address of addresses) {
      const expected = ids(this.at(address))
      same(ids(registry.match(address)), expected, addressKey(address))
      same(registry.has(address), expected.length > 0, `has ${addressKey(address)}`)
    }
    same(registry.size, here.length, 'size')
    for (const user of USERS) same(registry.connectionsOf(user), this.at({ user }).length, `connections of ${user}`)
    const groups = GROUPS
      .map((group) => ({ group, clients: this.at({ group }).length }))
      .filter(({ clients }) => clients > 0)
    same(registry.groups({ limit: 100 }), groups.sort((a, b) => a.group < b.group ? -1 : 1), 'groups')
    const page = groups.map(({ group }) => group).filter((group) => group > 'news').slice(0, 1)
    same(registry.groups({ limit: 1, after: 'news' }).map(({ group }) => group), page, 'a page of groups')
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
    if (!world.registry.remove(client)) world.faults.push('a connected client was not in the registry')
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
    if (client === undefined || world.registry.leave(client, group) === isMember) return
    world.faults.push('leave returns whether the client was a member')
  }),
  // Late calls about removed clients.
  fc.tuple(index, group, fc.constantFrom('join', 'leave', 'remove')).map(([n, group, verb]) => (world) => {
    const client = nth(world.gone, n)
    if (client === undefined) return
    if (verb === 'join') world.registry.join(client, group, { since: 1, by: 'client' })
    else if (verb === 'leave') world.registry.leave(client, group)
    else if (world.registry.remove(client)) world.faults.push('a removed client was in the registry')
  }),
  // A connection that is resumed under the same id, then late calls about the earlier connection.
  fc.tuple(index, fc.uniqueArray(group)).map(([n, groups]) => (world) => {
    const old = nth(world.here, n)
    if (old === undefined) return
    world.registry.remove(old)
    const resumed = newClient(old.id, old.identity.user, groups)
    world.registry.add(resumed)
    world.here.splice(world.here.indexOf(old), 1, resumed)
    if (world.registry.remove(old)) world.faults.push('removing the earlier connection removed the resumed connection')
    world.registry.leave(old, groups[0] ?? 'news')
    world.registry.join(old, 'sport', { since: 1, by: 'client' })
  })
]

t.test('matches a plain list of clients after any sequence of adding, removing, joining and resuming', async () => {
  fc.assert(fc.property(fc.array(fc.oneof(...steps), { maxLength: 40 }), (sequence) => {
    const world = new World()
    for (const step of sequence) {
      step(world)
      world.check()
      if (world.faults.length > 0) throw new Error(world.faults.join('\n'))
    }
  }), { numRuns: 300 })
})

t.test('resolves emptied when the last client has been released, and at once without clients', async (t) => {
  const registry = new Registry(newFlusher(), { head: 0 })
  await registry.emptied()
  const [one, two] = [newClient('c1', 'alice'), newClient('c2', 'alice')]
  registry.add(one)
  registry.add(two)
  const order: string[] = []
  const emptied = registry.emptied().then(() => order.push('emptied'))
  for (const client of [one, two]) {
    registry.remove(client)
    t.equal(registry.isEmpty, false, 'the close listeners have not finished')
    order.push(client.id)
    registry.release(client)
  }
  await emptied
  t.same(order, ['c1', 'c2', 'emptied'])
})
