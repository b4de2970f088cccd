import type { Answers, Questions } from '../engine/engine.ts'
import type { Address, ClientId, UserId } from '../message.ts'
import type { Client } from './client.ts'

const NOBODY: readonly Client[] = []

/** Which of a node's clients come first and last at an address. Lets the engine follow what somebody here listens to. */
export interface RegistryHooks {
  onFirst (address: Address): void
  onLast (address: Address): void
}

/** Who is here, by client and by user. */
export class Registry {
  readonly #clients = new Map<ClientId, Client>()
  readonly #users = new Map<UserId, Set<Client>>()
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
    const { id, identity: { user } } = client
    this.#clients.set(id, client)
    this.#hooks.onFirst({ client: id })
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
    const { id, identity: { user } } = client
    if (!this.#clients.delete(id)) return false
    this.#hooks.onLast({ client: id })
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

  get (id: ClientId): Client | undefined {
    return this.#clients.get(id)
  }

  /** The clients at an address. */
  match (address: Address): Iterable<Client> {
    if ('all' in address) return this.#clients.values()
    if ('user' in address) return this.#users.get(address.user) ?? NOBODY
    if ('client' in address) {
      const client = this.#clients.get(address.client)
      return client === undefined ? NOBODY : [client]
    }
    return NOBODY
  }

  /** One page of the clients that are not on their way out, oldest first, and how many there are in all. */
  list ({ id, user, after, limit }: Questions['clients']): Omit<Answers['clients'], 'dropped'> {
    const candidates = id !== undefined ? this.match({ client: id }) : user !== undefined ? this.match({ user }) : this.all()
    const found = [...candidates].filter((client) => client.isOpen && (user === undefined || client.identity.user === user))
    // Clients stand in the order in which they came, which is that of their ids.
    const page = after === undefined ? found : found.filter((client) => client.id > after)
    return { total: found.length, clients: page.slice(0, limit).map((client) => client.info()) }
  }

  /** How many connections a user has. */
  devices (user: UserId): number {
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
