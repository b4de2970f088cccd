import { MAX_GROUPS } from '../../model/identity.ts'
import type { Group, Offset } from '../../model/message.ts'
import type { Client } from '../clients/client.ts'
import type { Membership } from '../clients/cursor.ts'
import { hasGroupRight } from '../clients/permissions.ts'
import type { Registry } from '../clients/registry.ts'
import type { DurableCursors } from './durable-cursors.ts'
import type { Leaving, Memberships } from './memberships.ts'
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
    for (const [group, since] of joined) this.#join(client, group, since, { by: 'hub' })
    // A resumed client is in the groups of its token already, or has left these groups.
    if (!cursor.hasEarlierGroups) await this.#joinGroupsOfToken(client, left)
    this.#sessions.saveSoon(client)
  }

  /**
   * Removes a resumed client from groups that the token no longer permits, and from groups that the user has left
   * since.
   */
  #leaveForbidden (client: Client, left: readonly Leaving[]): void {
    const { cursor, identity } = client
    for (const [group, { by }] of cursor.groups ?? []) {
      const isInToken = identity.groups?.includes(group) === true
      const isOwnRight = by === 'client' && hasGroupRight('joinLeaveGroup', group, identity)
      if (by !== 'hub' && !isInToken && !isOwnRight) this.#registry.leave(client, group)
    }
    for (const [group, leftAt, returnedAt = Infinity] of left) {
      const { since = Infinity } = cursor.groups?.get(group) ?? {}
      if (since <= leftAt && since < returnedAt) this.#registry.leave(client, group)
    }
  }

  /**
   * Joins the groups of the token. Each membership begins where it began, and not at the offset that the client states:
   * at the return of a user that had left the group, and at the time of the token.
   */
  async #joinGroupsOfToken (client: Client, left: readonly Leaving[]): Promise<void> {
    const { cursor, identity: { user, groups = [], issuedAt }, openedAt } = client
    // Without an offset that the client states, the client receives no earlier message in any case. The clock of the
    // issuer may be ahead, and must not hide messages that are published after connecting.
    const from = cursor.isContinued && issuedAt !== undefined ? { from: Math.min(issuedAt, openedAt) } : {}
    const leavings = new Map(left.map((leaving) => [leaving[0], leaving]))
    for (const group of groups) {
      const leaving = leavings.get(group)
      const since = leaving === undefined ? 0 : leaving[2] ?? await this.#memberships.returnTo(user, group)
      this.#join(client, group, since, { by: 'token', ...from })
    }
  }

  /** Joins a group, up to the limit of groups, unless the client has left it meanwhile. */
  #join (client: Client, group: Group, since: Offset, membership: Pick<Membership, 'by' | 'from'>): void {
    const { cursor } = client
    if ((cursor.groups?.size ?? 0) >= MAX_GROUPS || cursor.hasLeftEarly(group)) return
    this.#registry.join(client, group, { since: Math.max(since, cursor.since), ...membership })
  }
}
