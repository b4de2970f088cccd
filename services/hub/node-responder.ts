import type { NodeResponder, Questions } from '../engine/engine.ts'
import type { Address, Offset, UserId } from '../model/message.ts'
import type { Client } from './clients/client.ts'
import type { FanOut } from './delivery/fan-out.ts'
import type { Registry } from './clients/registry.ts'

/** What the answers are made from. */
export interface NodeResponderParts {
  readonly registry: Registry
  readonly fanOut: FanOut
  /** The last offset there is. */
  readonly head: () => Offset
  /** A client's place has changed in a way that a resumed connection must know. Resolves when it will; never rejects. */
  readonly onChanged: (client: Client) => Promise<void>
}

/** Answers for this node what any node may ask. */
export function createNodeResponder ({ registry, fanOut, head, onChanged }: NodeResponderParts): NodeResponder {
  const open = (address: Address): Client[] => [...registry.match(address)].filter((client) => client.isOpen)

  const setMember = async (client: Client, { group, isMember, isOwnWish }: Questions['membership']): Promise<void> => {
    if (isMember) registry.join(client, group, { since: head(), by: isOwnWish ? 'client' : 'hub' })
    else registry.leave(client, group)
    await onChanged(client)
  }

  return {
    delivery: ({ offset }) => fanOut.delivery(offset),

    clients: (query) => ({ ...registry.list(query), dropped: fanOut.flusher.counters.dropped }),

    groups: (query) => ({ groups: registry.groups(query) }),

    disconnect: ({ address, ...ending }) => {
      const clients = open(address)
      for (const client of clients) client.close(ending)
      return { disconnected: clients.length }
    },

    membership: async (question) => {
      // Who joins now gets what is said from now on.
      fanOut.flusher.runDeferred()
      const clients = open(question.address)
      // Whoever is told of a membership has it for good, also when this process is killed.
      await Promise.all(clients.map((client) => setMember(client, question)))
      return { users: clients.map(({ identity: { user } }) => user) }
    },

    progress: ({ address, offset, except }) => {
      const users = new Map<UserId, Progress>()
      for (const { id, identity: { user }, isLive, cursor } of open(address)) {
        // What is said to a user waits for all connections; everything else is for those that were there.
        const isFor = !except.includes(id) && ('user' in address || offset > cursor.floor(address))
        if (!isFor) continue
        const progress = users.get(user) ?? { user, isSent: false, isAcknowledged: false }
        users.set(user, progress)
        if (cursor.acknowledged >= offset) progress.isAcknowledged = true
        if (offset > cursor.floor(address) && (isLive || cursor.position >= offset)) progress.isSent = true
      }
      return { users: [...users.values()] }
    }
  }
}

interface Progress {
  readonly user: UserId
  isSent: boolean
  isAcknowledged: boolean
}
