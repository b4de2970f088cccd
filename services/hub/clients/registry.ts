import type { GroupInfo } from '../../model/info.ts'
import type { NodeAnswers, Questions } from '../../engine/engine.ts'
import type { Address, ClientId, Group, UserId } from '../../model/message.ts'
import type { Client } from './client.ts'
import type { Membership } from './cursor.ts'
import { MAX_GROUPS, tooManyGroups } from './permissions.ts'

const NOBODY: readonly Client[] = []

/** Which of a node's clients come first and last at an address. Lets the engine follow what somebody here listens to. */
export interface RegistryHooks {
  onFirst (address: Address): void
  onLast (address: Address): void
}

/** Who is here, by client, by user and by group. */
export class Registry {
  readonly #clients = new Map<ClientId, Client>()
  readonly #users = new Map<UserId, Set<Client>>()
  readonly #groups = new Map<Group, Set<Client>>()
  readonly #hooks: RegistryHooks
  /** Clients that are gone and whose application is still being told. */
  readonly #leaving = new Set<Client>()
  #onEmpty: Array<() => void> = []

  constructor (hooks: RegistryHooks) {
    this.#hooks = hooks
  }

  get size (): number {
    return this.#clients.size
  }

  add (client: Client): void {
    try {
      this.#insert(client)
    } catch (error) {
      // The engine may refuse to follow; a part of a client must not stay behind.
      this.remove(client)
      this.release(client)
      throw error
    }
  }

  #insert (client: Client): void {
    const { id, identity: { user }, cursor: { groups } } = client
    this.#clients.set(id, client)
    this.#hooks.onFirst({ client: id })
    for (const group of groups?.keys() ?? []) this.#enter(client, group)
    const devices = this.#users.get(user)
    if (devices !== undefined) {
      devices.add(client)
      return
    }
    this.#users.set(user, new Set([client]))
    this.#hooks.onFirst({ user })
  }

  /** Forgets a client; answers false when it was forgotten before. */
  remove (client: Client): boolean {
    const { id, identity: { user }, cursor: { groups } } = client
    // A connection that was resumed has its id from one before.
    if (this.#clients.get(id) !== client) return false
    this.#clients.delete(id)
    this.#hooks.onLast({ client: id })
    for (const group of groups?.keys() ?? []) this.#exit(client, group)
    const devices = this.#users.get(user)
    devices?.delete(client)
    if (devices?.size === 0) {
      this.#users.delete(user)
      this.#hooks.onLast({ user })
    }
    this.#leaving.add(client)
    return true
  }

  /** The application has been told that the client is gone. */
  release (client: Client): void {
    this.#leaving.delete(client)
    if (!this.isEmpty) return
    for (const resolve of this.#onEmpty.splice(0)) resolve()
  }

  /** Makes a client a member of a group. Throws a HubError when it has too many groups. */
  join (client: Client, group: Group, membership: Membership): void {
    const groups = client.cursor.groups ??= new Map<Group, Membership>()
    const present = groups.get(group)
    if (present !== undefined) {
      // It stays one whatever becomes of its own rights.
      if (membership.by === 'hub') present.by = 'hub'
      return
    }
    if (groups.size >= MAX_GROUPS) throw tooManyGroups()
    groups.set(group, membership)
    if (this.#clients.get(client.id) === client) this.#enter(client, group)
  }

  /** Answers false when the client was no member. */
  leave (client: Client, group: Group): boolean {
    if (client.cursor.groups?.delete(group) !== true) return false
    this.#exit(client, group)
    return true
  }

  #enter (client: Client, group: Group): void {
    const members = this.#groups.get(group)
    if (members !== undefined) {
      members.add(client)
      return
    }
    this.#groups.set(group, new Set([client]))
    this.#hooks.onFirst({ group })
  }

  #exit (client: Client, group: Group): void {
    const members = this.#groups.get(group)
    if (members?.delete(client) !== true || members.size > 0) return
    this.#groups.delete(group)
    this.#hooks.onLast({ group })
  }

  get (id: ClientId): Client | undefined {
    return this.#clients.get(id)
  }

  /** The clients at an address. */
  match (address: Address): Iterable<Client> {
    if ('all' in address) return this.#clients.values()
    if ('user' in address) return this.#users.get(address.user) ?? NOBODY
    if ('group' in address) return this.#groups.get(address.group) ?? NOBODY
    const client = this.#clients.get(address.client)
    return client === undefined ? NOBODY : [client]
  }

  /** One page of the clients that are not on their way out, oldest first, and how many there are in all. */
  list ({ id, user, group, after, limit }: Questions['clients']): Omit<NodeAnswers['clients'], 'dropped'> {
    const address = id !== undefined ? { client: id } : user !== undefined ? { user } : group !== undefined ? { group } : { all: true } as const
    const found = [...this.match(address)].filter((client) => {
      return client.isOpen && (user === undefined || client.identity.user === user) && (group === undefined || client.cursor.groups?.has(group) === true)
    })
    // By their ids, which say when they came; not by their places here, which change when one is resumed.
    const page = found.filter((client) => after === undefined || client.id > after).sort((a, b) => a.id < b.id ? -1 : 1)
    return { total: found.length, clients: page.slice(0, limit).map((client) => client.info()) }
  }

  /** One page of the groups, by name, with their members here. */
  groups ({ after, limit }: Questions['groups']): GroupInfo[] {
    const names = [...this.#groups.keys()].filter((group) => after === undefined || group > after).sort()
    return names.slice(0, limit).map((group) => ({ group, clients: this.#groups.get(group)?.size ?? 0 }))
  }

  /** How many connections a user has. */
  connectionsOf (user: UserId): number {
    return this.#users.get(user)?.size ?? 0
  }

  all (): IterableIterator<Client> {
    return this.#clients.values()
  }

  /** Clients that are here, or whose leaving is still being told. */
  get unfinished (): number {
    return this.#clients.size + this.#leaving.size
  }

  get isEmpty (): boolean {
    return this.unfinished === 0
  }

  /** Resolves when it is empty. */
  emptied (): Promise<void> {
    if (this.isEmpty) return Promise.resolve()
    return new Promise((resolve) => this.#onEmpty.push(resolve))
  }
}
