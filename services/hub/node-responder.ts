import type { Engine, NodeResponder, Questions } from '../engine/engine.ts'
import type { Address, UserId } from '../model/message.ts'
import type { Client } from './clients/client.ts'
import type { Registry } from './clients/registry.ts'
import type { FanOut } from './delivery/fan-out.ts'
import type { Sessions } from './store/sessions.ts'

/** Progress of one user with a message, over the user's connections on this node. */
interface UserProgress {
  readonly user: UserId
  isSent: boolean
  isAcknowledged: boolean
}

/**
 * Creates the responder of this node: for each question of `cluster.ts`, the publisher and the memberships, this node's
 * result.
 */
export function createNodeResponder (
  engine: Engine,
  registry: Registry,
  fanOut: FanOut,
  sessions: Sessions
): NodeResponder {
  const openClients = (address: Address): Client[] => [...registry.match(address)].filter((client) => client.isOpen)

  const setMember = async (client: Client, { group, isMember, isOwnWish }: Questions['membership']): Promise<void> => {
    if (isMember) registry.join(client, group, { since: engine.head, by: isOwnWish ? 'client' : 'hub' })
    else registry.leave(client, group)
    await sessions.save(client)
  }

  return {
    delivery: ({ offset }) => fanOut.delivery(offset),

    clients: (query) => ({ ...registry.list(query), dropped: fanOut.flusher.counters.dropped }),

    groups: (query) => ({ groups: registry.groups(query) }),

    disconnect: ({ address, ...closeReason }) => {
      const clients = openClients(address)
      for (const client of clients) client.close(closeReason)
      return { disconnected: clients.length }
    },

    membership: async (question) => {
      // A new member receives the messages from now on, so earlier messages are delivered first.
      fanOut.flusher.runDeferred()
      const clients = openClients(question.address)
      // An answered membership survives a crash, so the answer waits for the sessions. One failed join fails the
      // question.
      await Promise.all(clients.map((client) => setMember(client, question)))
      return { users: clients.map(({ identity: { user } }) => user) }
    },

    progress: ({ address, offset, except }) => {
      const users = new Map<UserId, UserProgress>()
      for (const { id, identity: { user }, isLive, cursor } of openClients(address)) {
        const floor = cursor.floor(address)
        // A message to a user is for every connection of the user; any other message only for connections present at
        // the time.
        const isFor = !except.includes(id) && ('user' in address || offset > floor)
        if (!isFor) continue
        const progress = users.get(user) ?? { user, isSent: false, isAcknowledged: false }
        users.set(user, progress)
        if (cursor.acknowledged >= offset) progress.isAcknowledged = true
        if (offset > floor && (isLive || cursor.position >= offset)) progress.isSent = true
      }
      return { users: [...users.values()] }
    }
  }
}
