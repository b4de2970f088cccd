import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Engine } from '../../engine/engine.ts'
import { HubError } from '../../model/errors.ts'
import { MAX_GROUPS } from '../../model/identity.ts'
import { Id, assertAddress, type Address, type ClientId, type Group, type Offset, type UserId } from '../../model/message.ts'
import { tooManyGroups } from '../clients/permissions.ts'
import { groupsKey } from './keys.ts'

/** A group, and the head of the log when the user joined. */
const Joining = Type.Tuple([Id, Type.Integer()])
/** A group, the head when the user left, and the head when a connection of the user first was a member again. */
const Leaving = Type.Union([Type.Tuple([Id, Type.Integer()]), Type.Tuple([Id, Type.Integer(), Type.Integer()])])
export type Leaving = Static<typeof Leaving>
const UserGroups = Type.Object({
  /** Groups that every connection of the user joins. */
  joined: Type.Array(Joining),
  /** Groups that the user was removed from: a resumed connection does not join these groups again. */
  left: Type.Array(Leaving)
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
    if (isMember && includes((await this.of(user)).left, group)) await this.#noteReturn(user, group, this.#engine.head)
  }

  /**
   * Returns the offset from which on a connecting client is a member of a group that its user has left: the first
   * return of a connection. While the state cannot be written, that is the head, and the next connection notes its own
   * return.
   */
  async returnTo (user: UserId, group: Group): Promise<Offset> {
    const { head } = this.#engine
    return this.#noteReturn(user, group, head).catch(() => head)
  }

  /**
   * Notes that a connection of the user is a member again of a group that the user has left. Resolves with the head at
   * the first return: no connection receives the messages between leaving and return.
   *
   * @throws {HubError} HUB_STORE_FAILED when the return cannot be stored.
   */
  async #noteReturn (user: UserId, group: Group, head: Offset): Promise<Offset> {
    const updated = await this.#engine.state.update(groupsKey(user), (present) => {
      const { joined, left } = asUserGroups(present)
      return { joined, left: left.map(([one, leftAt, at = one === group ? head : undefined]): Leaving => {
        return at === undefined ? [one, leftAt] : [one, leftAt, at]
      }) }
    }, this.#rememberMs)
    return asUserGroups(updated).left.find(([one]) => one === group)?.[2] ?? head
  }

  async #setUser (user: UserId, group: Group, isMember: boolean): Promise<void> {
    const now: [Group, Offset] = [group, this.#engine.head]
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

function includes (groups: ReadonlyArray<readonly [Group, ...unknown[]]>, group: Group): boolean {
  return groups.some(([one]) => one === group)
}

function without<T extends readonly [Group, ...unknown[]]> (groups: readonly T[], group: Group): T[] {
  return groups.filter(([one]) => one !== group)
}
