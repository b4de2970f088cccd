import type { Client } from './client.ts'

/** What happens to connections, and what listeners are told. */
export interface HubEvents {
  open: [client: Client]
  /** Once for a connection that ended in any way but a clean close; `close` follows. */
  error: [client: Client, error: Error]
  /** Once and last for every connection. */
  close: [client: Client, code: number, reason: string]
}

/** Hears an event; may take its time, later events of the same client wait. */
export type Listener<E extends keyof HubEvents> = (...args: HubEvents[E]) => unknown

/** The listeners of a hub. One that fails harms neither the others nor the connection. */
export class Events {
  readonly #listeners: { [E in keyof HubEvents]: Set<Listener<E>> } = { open: new Set(), error: new Set(), close: new Set() }
  readonly #onFailure: (error: unknown, client: Client) => void

  constructor (onFailure: (error: unknown, client: Client) => void) {
    this.#onFailure = onFailure
  }

  on<E extends keyof HubEvents> (event: E, listener: Listener<E>): void {
    this.#listeners[event].add(listener)
  }

  off<E extends keyof HubEvents> (event: E, listener: Listener<E>): void {
    this.#listeners[event].delete(listener)
  }

  /** Calls the listeners in the order in which they came; resolves when all of them are done. */
  async emit<E extends keyof HubEvents> (event: E, ...args: HubEvents[E]): Promise<void> {
    for (const listener of this.#listeners[event]) {
      try {
        await listener(...args)
      } catch (error) {
        this.#onFailure(error, args[0])
      }
    }
  }
}
