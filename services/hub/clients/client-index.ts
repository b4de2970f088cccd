import type { Client } from './client.ts'

const NO_CLIENTS: readonly Client[] = []

/** Sets of clients by a key: by user id, or by group. A key without clients takes no memory. */
export class ClientIndex<K> {
  readonly #sets = new Map<K, Set<Client>>()

  /** Adds a client under a key. */
  add (key: K, client: Client): void {
    const clients = this.#sets.get(key)
    if (clients === undefined) this.#sets.set(key, new Set([client]))
    else clients.add(client)
  }

  /** Removes a client from a key. */
  remove (key: K, client: Client): void {
    const clients = this.#sets.get(key)
    if (clients?.delete(client) === true && clients.size === 0) this.#sets.delete(key)
  }

  /** Returns the clients under a key. */
  get (key: K): Iterable<Client> {
    return this.#sets.get(key) ?? NO_CLIENTS
  }

  /** Returns the number of clients under a key. */
  count (key: K): number {
    return this.#sets.get(key)?.size ?? 0
  }

  /** Returns the keys that have clients. */
  keys (): IterableIterator<K> {
    return this.#sets.keys()
  }
}
