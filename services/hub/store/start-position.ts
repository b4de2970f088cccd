import { MAX_GROUPS } from '../../model/identity.ts'
import type { Group, Offset } from '../../model/message.ts'
import type { Client } from '../clients/client.ts'
import type { Membership } from '../clients/cursor.ts'
import { hasGroupRight } from '../clients/permissions.ts'
import type { Registry } from '../clients/registry.ts'
import type { DurableCursors } from './durable-cursors.ts'
import type { Memberships } from './memberships.ts'
import type { Redeliveries } from './redeliveries.ts'
import type { Sessions } from './sessions.ts'

/** Resolves the start positions of new and resumed connections: the offset in the inbox, and the groups. */
export class StartResolver {
  readonly #durableCursors: DurableCursors
  readonly #memberships: Memberships
  readonly #redeliveries: Redeliveries
  readonly #registry: Registry
  readonly #sessions: Sessions

  constructor (
    durableCursors: DurableCursors,
    memberships: Memberships,
    redeliveries: Redeliveries,
    registry: Registry,
    sessions: Sessions
  ) {
    this.#durableCursors = durableCursors
    this.#memberships = memberships
    this.#redeliveries = redeliveries
    this.#registry = registry
    this.#sessions = sessions
  }

  /**
   * Resolves the start position of an open connection: reads the durable cursor and the groups of the user, and writes
   * both into the client's cursor. Called once per connection, before the client catches up.
   *
   * @throws {HubError} HUB_STORE_FAILED or HUB_FULL when a removed durable cursor cannot be created again.
   */
  async resolve (client: Client): Promise<void> {
    const { cursor, durableCursor, identity: { user } } = client
    const cursors = this.#durableCursors
    // The admission has opened this cursor. The cursor may have been removed since.
    if (durableCursor.scope === 'everything' && !await cursors.has(durableCursor)) await cursors.open(durableCursor)
    const [acknowledged, { joined, left }, { skipped, ...redelivery }] = await Promise.all([
      cursor.inboxSince ?? cursors.open(durableCursor),
      this.#memberships.of(user),
      cursors.redelivery(durableCursor)
    ])
    const { offset, count } = redelivery
    const isSuspect = this.#redeliveries.isSuspect(count)
    cursor.located(acknowledged, skipped, count === 0 ? null : { offset, isSuspect })
    this.#leaveForbidden(client, left)
    this.#join(client, joined)
    this.#sessions.saveSoon(client)
  }

  /**
   * Removes a resumed client from groups that the token no longer permits, and from groups that the user has left
   * since.
   */
  #leaveForbidden (client: Client, left: ReadonlyArray<readonly [Group, Offset]>): void {
    const { cursor, identity } = client
    for (const [group, { by }] of cursor.groups ?? []) {
      const isInToken = identity.groups?.includes(group) === true
      const isOwnRight = by === 'client' && hasGroupRight('joinLeaveGroup', group, identity)
      if (by !== 'hub' && !isInToken && !isOwnRight) this.#registry.leave(client, group)
    }
    for (const [group, leftAt] of left) {
      if ((cursor.groups?.get(group)?.since ?? Infinity) <= leftAt) this.#registry.leave(client, group)
    }
  }

  /** Joins the groups of the user, then the groups of the token, up to the limit. */
  #join (client: Client, joined: ReadonlyArray<readonly [Group, Offset]>): void {
    const { cursor, identity } = client
    const join = (group: Group, since: Offset, by: Membership['by']): void => {
      if ((cursor.groups?.size ?? 0) >= MAX_GROUPS) return
      this.#registry.join(client, group, { since: Math.max(since, cursor.since), by })
    }
    for (const [group, since] of joined) join(group, since, 'hub')
    // A resumed client is in the groups of its token already, or has left these groups.
    if (cursor.hasEarlierGroups) return
    for (const group of identity.groups ?? []) join(group, 0, 'token')
  }
}
