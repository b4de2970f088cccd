import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { HubError } from '../../model/errors.ts'
import { Id, assertAddress, type Address, type ClientId, type Group, type UserId } from '../../model/message.ts'
import type { Engine } from '../../engine/engine.ts'
import { MAX_GROUPS, tooManyGroups } from '../clients/permissions.ts'
import { groupsKey } from './keys.ts'

/** A group, and the head of the log when it was joined or left. */
const Since = Type.Tuple([Id, Type.Integer()])
type Since = Static<typeof Since>
const UserGroups = Type.Object({
  joined: Type.Array(Since),
  /** Groups that the user was put out of: a connection that is resumed does not bring them back. */
  left: Type.Array(Since)
})
type UserGroups = Static<typeof UserGroups>
const userGroups = TypeCompiler.Compile(UserGroups)

/** Who is in which group: connections for as long as they are there, users for all of their connections. */
export class Memberships {
  readonly #engine: Engine
  readonly #rememberMs: number

  /** `rememberMs`: how long the membership of a user is kept that nobody renews. */
  constructor (engine: Engine, rememberMs: number) {
    this.#engine = engine
    this.#rememberMs = rememberMs
  }

  /** The groups that a user joins with every connection. */
  async of (user: UserId): Promise<UserGroups> {
    return asUserGroups(await this.#engine.state.get(groupsKey(user)))
  }

  /**
   * Begins or ends the membership of a connection, or with `{ user }` of all connections of a user, those to come included.
   * `isOwnWish`: of a connection that wants it, and has it for as long as its token allows it.
   */
  async set (who: ClientId | Address, group: Group, isMember: boolean, isOwnWish = false): Promise<void> {
    const address = typeof who === 'string' ? { client: who } : who
    assertAddress(address)
    assertAddress({ group })
    if ('user' in address) await this.#setUser(address.user, group, isMember)
    const { answers } = await this.#engine.ask('membership', { address, group, isMember, isOwnWish })
    if (!('client' in address)) return
    const [user] = answers.flatMap(({ users }) => users)
    if (user === undefined) throw new HubError('HUB_CLIENT_NOT_FOUND', 'This client is not connected; address its user to reach all connections, those to come included.')
    if (isMember) await this.#forgetLeft(user, group)
  }

  /** Whoever joins again after the user was put out is a member, also when the connection is resumed. */
  async #forgetLeft (user: UserId, group: Group): Promise<void> {
    if (!isIn((await this.of(user)).left, group)) return
    await this.#engine.state.update(groupsKey(user), (present) => {
      const { joined, left } = asUserGroups(present)
      return { joined, left: without(left, group) }
    }, this.#rememberMs)
  }

  async #setUser (user: UserId, group: Group, isMember: boolean): Promise<void> {
    const now: Since = [group, this.#engine.head]
    const updated = await this.#engine.state.update(groupsKey(user), (present) => {
      const { joined, left } = asUserGroups(present)
      return isMember
        ? { joined: isIn(joined, group) ? joined : [...joined, now].slice(0, MAX_GROUPS), left: without(left, group) }
        : { joined: without(joined, group), left: [...without(left, group), now].slice(-MAX_GROUPS) }
    }, this.#rememberMs)
    if (isMember && !isIn(asUserGroups(updated).joined, group)) throw tooManyGroups()
  }
}

function asUserGroups (value: unknown): UserGroups {
  return userGroups.Check(value) ? value : { joined: [], left: [] }
}

function isIn (groups: readonly Since[], group: Group): boolean {
  return groups.some(([one]) => one === group)
}

function without (groups: readonly Since[], group: Group): Since[] {
  return groups.filter(([one]) => one !== group)
}
