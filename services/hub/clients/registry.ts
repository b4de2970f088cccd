import { BoundedMap } from '../../lib/bounded-map.ts'
import { MAX_LISTED_GROUPS, type ClientPage, type ClientQuery, type GroupInfo, type GroupQuery } from '../../model/info.ts'
import { MAX_GROUPS } from '../../model/identity.ts'
import type { Address, ClientId, Group, Offset, UserId } from '../../model/message.ts'
import type { Flusher } from '../outbox/flusher.ts'
import type { Client } from './client.ts'
import { ClientIndex } from './client-index.ts'
import type { Membership } from './cursor.ts'
import { tooManyGroups } from './permissions.ts'

/** Groups whose newest message is known, at most; the log is asked for the messages of every other group. */
const MAX_NEWEST = 16_384

/** The connected clients of this node, by id, by user and by group. */
export class Registry {
  readonly #clients = new Map<ClientId, Client>()
  readonly #users = new ClientIndex<UserId>()
  readonly #groups = new ClientIndex<Group>()
  /** For each group that has or had members: an offset above which the log has no message to the group. */
  readonly #newest = new BoundedMap<Group, Offset>(MAX_NEWEST)
  readonly #flusher: Pick<Flusher, 'deliverPending'>
  readonly #engine: { readonly head: Offset }
  /** Removed clients whose `close` listeners have not finished. */
  readonly #closing = new Set<Client>()
  #onEmpty: Array<() => void> = []

  constructor (flusher: Pick<Flusher, 'deliverPending'>, engine: { readonly head: Offset }) {
    this.#flusher = flusher
    this.#engine = engine
  }

  /** Number of connected clients. */
  get size (): number {
    return this.#clients.size
  }

  /** Adds a client with the groups of its cursor. */
  add (client: Client): void {
    // The pending messages are older than the client.
    this.#flusher.deliverPending()
    const { id, identity: { user }, cursor: { groups } } = client
    this.#clients.set(id, client)
    this.#users.add(user, client)
    for (const group of groups?.keys() ?? []) this.#addMember(group, client)
  }

  /** Removes a client. Returns false when the client was removed before. */
  remove (client: Client): boolean {
    const { id, identity: { user }, cursor: { groups } } = client
    // A resumed connection has the id of an earlier connection, which must not remove the resumed connection.
    if (this.#clients.get(id) !== client) return false
    this.#clients.delete(id)
    this.#users.remove(user, client)
    for (const group of groups?.keys() ?? []) this.#groups.remove(group, client)
    this.#closing.add(client)
    return true
  }

  /** Releases a removed client, once the application's `close` listeners have finished. */
  release (client: Client): void {
    this.#closing.delete(client)
    if (!this.isEmpty) return
    for (const resolve of this.#onEmpty.splice(0)) resolve()
  }

  /** Makes a client a member of a group. Throws HUB_REQUEST_INVALID when the client is in 1000 groups already. */
  join (client: Client, group: Group, membership: Membership): void {
    const { cursor } = client
    const isFull = (cursor.groups?.size ?? 0) >= MAX_GROUPS
    if (isFull && cursor.groups?.has(group) !== true) throw tooManyGroups()
    if (!cursor.join(group, membership)) return
    if (this.#clients.get(client.id) === client) this.#addMember(group, client)
  }

  /** Ends a membership. Returns false when the client was not a member. */
  leave (client: Client, group: Group): boolean {
    if (!client.cursor.leave(group)) return false
    this.#groups.remove(group, client)
    return true
  }

  /**
   * Notes the offset of a new message to a group, with or without members. Called before a client reads the message
   * from the log.
   */
  noteMessage (group: Group, offset: Offset): void {
    if (this.#newest.has(group)) this.#newest.set(group, offset)
  }

  /** Whether the log may have a message to a group above an offset. */
  mayHaveMessage (group: Group, after: Offset): boolean {
    return (this.#newest.get(group) ?? Infinity) > after
  }

  /** Returns the client with this id. */
  get (id: ClientId): Client | undefined {
    return this.#clients.get(id)
  }

  /** Whether the node has a client at an address. */
  has (address: Address): boolean {
    if ('all' in address) return this.#clients.size > 0
    if ('user' in address) return this.#users.count(address.user) > 0
    if ('group' in address) return this.#groups.count(address.group) > 0
    return this.#clients.has(address.client)
  }

  /** Returns the clients at an address. */
  match (address: Address): Iterable<Client> {
    if ('all' in address) return this.#clients.values()
    if ('user' in address) return this.#users.get(address.user)
    if ('group' in address) return this.#groups.get(address.group)
    const client = this.#clients.get(address.client)
    return client === undefined ? [] : [client]
  }

  /** Returns the open clients at an address, in a new array: a client that is closed meanwhile stays in the array. */
  matchOpen (address: Address): Client[] {
    return [...this.match(address)].filter(({ isOpen }) => isOpen)
  }

  /**
   * Returns one page of the open clients that match the query, oldest first, and the total number of matching clients.
   */
  list ({ id, user, group, after, limit }: ClientQuery): Pick<ClientPage, 'total' | 'clients'> {
    const found = this.matchOpen(narrowestAddress(id, user, group)).filter((client) => {
      if (user !== undefined && client.identity.user !== user) return false
      return group === undefined || client.cursor.groups?.has(group) === true
    })
    // Sorted by id, which rises with the time of connecting. The order of the Map changes when a connection is resumed.
    const page = found.filter((client) => after === undefined || client.id > after).sort((a, b) => a.id < b.id ? -1 : 1)
    const maxGroups = id === undefined ? MAX_LISTED_GROUPS : MAX_GROUPS
    return { total: found.length, clients: page.slice(0, limit).map((client) => client.info(maxGroups)) }
  }

  /** Returns one page of the groups, by name, with the number of open members on this node. */
  groups ({ after, limit }: GroupQuery): GroupInfo[] {
    const closing = this.#closingMembers()
    const membersOf = (group: Group): number => this.#groups.count(group) - (closing.get(group) ?? 0)
    const isListed = (group: Group): boolean => (after === undefined || group > after) && membersOf(group) > 0
    const names = [...this.#groups.keys()].filter(isListed).sort()
    return names.slice(0, limit).map((group) => ({ group, clients: membersOf(group) }))
  }

  /** The number of members of each group whose connections have begun to close: few, as a connection ends soon. */
  #closingMembers (): Map<Group, number> {
    const members = new Map<Group, number>()
    for (const client of this.#clients.values()) {
      if (client.isOpen) continue
      for (const group of client.groups) members.set(group, (members.get(group) ?? 0) + 1)
    }
    return members
  }

  #addMember (group: Group, client: Client): void {
    if (!this.#newest.has(group)) this.#newest.set(group, this.#engine.head)
    this.#groups.add(group, client)
  }

  /** Returns the number of connections of a user on this node. */
  connectionsOf (user: UserId): number {
    return this.#users.count(user)
  }

  /** Returns all connected clients, in the order of adding. */
  all (): IterableIterator<Client> {
    return this.#clients.values()
  }

  /** Number of clients that are connected, or whose `close` listeners have not finished. */
  get unfinished (): number {
    return this.#clients.size + this.#closing.size
  }

  /** Whether all clients have disconnected and all `close` listeners have finished. */
  get isEmpty (): boolean {
    return this.unfinished === 0
  }

  /** Resolves when the registry is empty. */
  emptied (): Promise<void> {
    if (this.isEmpty) return Promise.resolve()
    return new Promise((resolve) => this.#onEmpty.push(resolve))
  }
}

/** The address with the fewest clients among the given criteria; everyone without criteria. */
function narrowestAddress (id?: ClientId, user?: UserId, group?: Group): Address {
  if (id !== undefined) return { client: id }
  if (user !== undefined) return { user }
  return group !== undefined ? { group } : { all: true }
}
