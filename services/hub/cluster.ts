// Questions from one node to all nodes. Each kind of question is one object: the result of a node, and the merge of the
// results of all nodes.
import type { Bus, NodeResponder } from '../engine/bus.ts'
import type { Engine } from '../engine/engine.ts'
import { mayResume, type CloseReason } from '../model/close-codes.ts'
import { DEFAULT_PAGE, type ClientPage, type ClientQuery, type GroupPage, type GroupQuery } from '../model/info.ts'
import type { Address, Group, Offset, UserId } from '../model/message.ts'
import type { Client } from './clients/client.ts'
import type { Registry } from './clients/registry.ts'
import type { FanOut } from './delivery/fan-out.ts'
import type { Flusher } from './outbox/flusher.ts'
import type { ProgressQuery, UserProgress } from './publish/message-status.ts'
import type { DeliveryCounts } from './publish/publisher.ts'
import type { MembershipChange } from './store/memberships.ts'
import type { Sessions } from './store/sessions.ts'

/** The parts of this node that have the results. */
interface NodeParts {
  readonly engine: Engine
  readonly registry: Registry
  readonly fanOut: FanOut
  readonly flusher: Flusher
  readonly sessions: Sessions
}

/** One kind of question (`Q`), with the result of a node (`N`) and of all nodes (`R`). All are JSON values. */
interface Kind<Q, N, R> {
  readonly name: string
  /** Determines the result of this node. */
  result (question: Q, node: NodeParts): N | Promise<N>
  /** Merges the results of all nodes. */
  merge (results: readonly N[], question: Q): R
}

/** Counts the clients of a message, once the live clients of each node have been offered the bytes. */
const delivery: Kind<{ readonly offset: Offset }, DeliveryCounts, DeliveryCounts> = {
  name: 'delivery',
  async result ({ offset }, { fanOut }) {
    const { matched, written, dropped } = await fanOut.delivery(offset)
    return { matched, written, dropped }
  },
  merge (results) {
    let [matched, written, dropped] = [0, 0, 0]
    for (const one of results) {
      matched += one.matched
      written += one.written
      dropped += one.dropped
    }
    return { matched, written, dropped }
  }
}

/** Lists one page of the open connections, in the order of their ids: oldest first. */
const clients: Kind<ClientQuery, Omit<ClientPage, 'next'>, ClientPage> = {
  name: 'clients',
  result ({ limit = DEFAULT_PAGE, ...filter }, { registry, flusher }) {
    // One client beyond the page shows whether there is a next page.
    return { ...registry.list({ ...filter, limit: limit + 1 }), dropped: flusher.counters.dropped }
  },
  merge (results, { limit = DEFAULT_PAGE }) {
    const found = results.flatMap((one) => one.clients).sort((a, b) => a.id < b.id ? -1 : 1)
    const page = found.slice(0, limit)
    return {
      total: sum(results.map(({ total }) => total)),
      dropped: sum(results.map(({ dropped }) => dropped)),
      clients: page,
      next: found.length > limit ? page.at(-1)?.id ?? null : null
    }
  }
}

/** Lists one page of the groups, by name, each with the number of its members. */
const groups: Kind<GroupQuery, GroupPage['groups'], GroupPage> = {
  name: 'groups',
  result: ({ after, limit = DEFAULT_PAGE }, { registry }) => registry.groups({ after, limit: limit + 1 }),
  merge (results, { limit = DEFAULT_PAGE }) {
    const members = new Map<Group, number>()
    for (const { group, clients: count } of results.flat()) members.set(group, (members.get(group) ?? 0) + count)
    const names = [...members.keys()].sort()
    const page = names.slice(0, limit)
    return {
      groups: page.map((group) => ({ group, clients: members.get(group) ?? 0 })),
      next: names.length > limit ? page.at(-1) ?? null : null
    }
  }
}

/** Closes the open connections at an address. The result is their number. */
const disconnect: Kind<CloseReason & { readonly address: Address }, number, number> = {
  name: 'disconnect',
  async result ({ address, code, reason }, { registry, sessions }) {
    const all = [...registry.match(address)]
    const open = all.filter(({ isOpen }) => isOpen)
    for (const client of open) client.close({ code, reason })
    // A client that is closing already must not resume, either.
    if (!mayResume(code)) for (const client of all) sessions.end(client)
    // An answered disconnection survives a crash.
    await sessions.stored(all)
    return open.length
  },
  merge: sum
}

/** Makes the clients at an address members of a group, or removes them. The result is the user of each client. */
const membership: Kind<MembershipChange, UserId[], UserId[]> = {
  name: 'membership',
  async result ({ address, group, isMember, isOwnWish }, { engine, registry, sessions }) {
    const change = async (client: Client): Promise<UserId> => {
      if (isMember) registry.join(client, group, { since: engine.head, by: isOwnWish ? 'client' : 'hub' })
      else registry.leave(client, group)
      sessions.save(client)
      // An answered membership survives a crash.
      await sessions.stored([client])
      return client.identity.user
    }
    // A failed join fails the question.
    return Promise.all(registry.matchOpen(address).map(change))
  },
  merge: (results) => results.flat()
}

/** Reads the progress of each user with the message at an offset. */
const progress: Kind<ProgressQuery, UserProgress[], UserProgress[]> = {
  name: 'progress',
  result ({ address, offset, except }, { registry }) {
    const users = new Map<UserId, { user: UserId, isSent: boolean, isAcknowledged: boolean }>()
    for (const { id, identity: { user }, isLive, cursor } of registry.matchOpen(address)) {
      const floor = cursor.floor(address)
      // A message to a user is for every connection of the user; any other message only for connections present at the
      // time.
      const isFor = !except.includes(id) && ('user' in address || offset > floor)
      if (!isFor) continue
      const one = users.get(user) ?? { user, isSent: false, isAcknowledged: false }
      users.set(user, one)
      if (cursor.acknowledged >= offset) one.isAcknowledged = true
      if (offset > floor && (isLive || cursor.position >= offset)) one.isSent = true
    }
    return [...users.values()]
  },
  merge (results) {
    const users = new Map<UserId, UserProgress>()
    for (const { user, isSent, isAcknowledged } of results.flat()) {
      const other = users.get(user)
      users.set(user, {
        user,
        isSent: isSent || other?.isSent === true,
        isAcknowledged: isAcknowledged || other?.isAcknowledged === true
      })
    }
    return [...users.values()]
  }
}

const KINDS = new Map([delivery, clients, groups, disconnect, membership, progress].map((kind) => [kind.name, kind]))

/** All nodes of the hub, as this node reaches them through the bus of the engine. */
export class Cluster {
  readonly #bus: Bus

  constructor (bus: Bus) {
    this.#bus = bus
  }

  /** Creates the responder of this node, for the bus. */
  static responder (node: NodeParts): NodeResponder {
    return (name, question) => {
      // The question comes from `#ask`, with the same kind.
      const kind = KINDS.get(name) as Kind<unknown, unknown, unknown> | undefined
      if (kind === undefined) throw new Error(`This node does not know the question "${name}".`)
      return kind.result(question, node)
    }
  }

  /** Counts the live clients of a message: matched, written, and dropped. */
  delivery (offset: Offset): Promise<DeliveryCounts> {
    return this.#ask(delivery, { offset })
  }

  /** Lists one page of the connections of all nodes. */
  clients (query: ClientQuery): Promise<ClientPage> {
    return this.#ask(clients, query)
  }

  /** Lists one page of the groups of all nodes. */
  groups (query: GroupQuery): Promise<GroupPage> {
    return this.#ask(groups, query)
  }

  /** Closes the connections at an address. Resolves with the number of closed connections. */
  disconnect (address: Address, code: number, reason: string): Promise<number> {
    return this.#ask(disconnect, { address, code, reason })
  }

  /** Changes the memberships of the clients at an address. Resolves with the user of each client, changed or not. */
  changeMembership (change: MembershipChange): Promise<UserId[]> {
    return this.#ask(membership, change)
  }

  /** Reads the progress of the users with a connection that a message is for. */
  progress (query: ProgressQuery): Promise<UserProgress[]> {
    return this.#ask(progress, query)
  }

  async #ask<Q, N, R> (kind: Kind<Q, N, R>, question: Q): Promise<R> {
    const { answers } = await this.#bus.ask(kind.name, question)
    // The answers are the results of the same kind.
    return kind.merge(answers as N[], question)
  }
}

function sum (numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
