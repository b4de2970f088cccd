import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Engine } from '../../engine/engine.ts'
import { HubError } from '../../model/errors.ts'
import { MAX_GROUPS } from '../../model/identity.ts'
import { Id, assertAddress, type Address, type ClientId, type Group, type UserId } from '../../model/message.ts'
import { tooManyGroups } from '../clients/permissions.ts'
import { groupsKey } from './keys.ts'

/** A group, and the head of the log when the user joined or left the group. */
const GroupSince = Type.Tuple([Id, Type.Integer()])
type GroupSince = Static<typeof GroupSince>
const UserGroups = Type.Object({
  /** Groups that every connection of the user joins. */
  joined: Type.Array(GroupSince),
  /** Groups that the user was removed from: a resumed connection does not join these groups again. */
  left: Type.Array(GroupSince)
})
type UserGroups = Static<typeof UserGroups>
const userGroupsCheck = TypeCompiler.Compile(UserGroups)

/** A change of the clients at an address: members of a group from now on, or no longer. */
export interface MembershipChange {
  readonly address: Address
  readonly group: Group
  readonly isMember: boolean
  /** Whether a client changes its own membership. */
  readonly isOwnWish: boolean
}

/** Changes the memberships of clients on all nodes. */
export interface MembershipChanger {
  /** Resolves with the user of each client at the address, changed or not. */
  changeMembership (change: MembershipChange): Promise<UserId[]>
}

/**
 * Memberships in groups: of one connection until the connection has ended and can no longer be resumed, or of a user
 * for all present and later connections.
 */
export class Memberships {
  readonly #engine: Engine
  readonly #cluster: MembershipChanger
  readonly #rememberMs: number

  /** @param rememberMs Time in ms after the last change for which the groups of a user are kept. */
  constructor (engine: Engine, cluster: MembershipChanger, rememberMs: number) {
    this.#engine = engine
    this.#cluster = cluster
    this.#rememberMs = rememberMs
  }

  /** The stored groups of a user. */
  async of (user: UserId): Promise<UserGroups> {
    return asUserGroups(await this.#engine.state.get(groupsKey(user)))
  }

  /**
   * Begins or ends the membership of a connection, or with `{ user }` of all present and later connections of a user.
   *
   * @param isOwnWish Whether a client changes its own membership. Such a membership needs the right in the token.
   * @throws {HubError} HUB_ADDRESS_INVALID when the address or the group has a wrong form.
   * @throws {HubError} HUB_CLIENT_NOT_FOUND when the client is not connected.
   * @throws {HubError} HUB_REQUEST_INVALID when the client or the user has too many groups.
   * @throws {HubError} HUB_STORE_FAILED when the groups of a user cannot be stored.
   */
  async set (member: ClientId | Address, group: Group, isMember: boolean, isOwnWish = false): Promise<void> {
    const address = typeof member === 'string' ? { client: member } : member
    assertAddress(address)
    assertAddress({ group })
    if ('user' in address) await this.#setUser(address.user, group, isMember)
    const [user] = await this.#cluster.changeMembership({ address, group, isMember, isOwnWish })
    if (!('client' in address)) return
    if (user === undefined) {
      throw new HubError('HUB_CLIENT_NOT_FOUND', 'This client is not connected; address its user to reach all connections, those to come included.')
    }
    if (isMember) await this.#removeFromLeft(user, group)
  }

  /** Removes a group from the groups that the user left, so that the new membership survives a resumed connection. */
  async #removeFromLeft (user: UserId, group: Group): Promise<void> {
    if (!includes((await this.of(user)).left, group)) return
    await this.#engine.state.update(groupsKey(user), (present) => {
      const { joined, left } = asUserGroups(present)
      return { joined, left: without(left, group) }
    }, this.#rememberMs)
  }

  async #setUser (user: UserId, group: Group, isMember: boolean): Promise<void> {
    const now: GroupSince = [group, this.#engine.head]
    const updated = await this.#engine.state.update(groupsKey(user), (present) => {
      const { joined, left } = asUserGroups(present)
      if (!isMember) return { joined: without(joined, group), left: [...without(left, group), now].slice(-MAX_GROUPS) }
      const added = includes(joined, group) ? joined : [...joined, now].slice(0, MAX_GROUPS)
      return { joined: added, left: without(left, group) }
    }, this.#rememberMs)
    if (isMember && !includes(asUserGroups(updated).joined, group)) throw tooManyGroups()
  }
}

function asUserGroups (value: unknown): UserGroups {
  return userGroupsCheck.Check(value) ? value : { joined: [], left: [] }
}

function includes (groups: readonly GroupSince[], group: Group): boolean {
  return groups.some(([one]) => one === group)
}

function without (groups: readonly GroupSince[], group: Group): GroupSince[] {
  return groups.filter(([one]) => one !== group)
}
