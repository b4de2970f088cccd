import { reportFailure, type Log } from '../../lib/log.ts'
import type { ConnectedClient } from '../../model/client.ts'

/**
 * The events of a hub, with the arguments of the listeners. For each connection the order is `open`, then `error` at
 * most once, then `close` exactly once and last. Register listeners with `hub.on`.
 */
export interface HubEvents {
  /** A client has connected: the client is registered and the greeting is queued as the first frame. */
  open: [client: ConnectedClient]
  /** A connection has ended in any way but a clean close. Emitted at most once for each connection; `close` follows. */
  error: [client: ConnectedClient, error: Error]
  /**
   * A connection has ended. Emitted exactly once for each connection, as the last event. `code` and `reason` are
   * those with which the hub ended the connection; otherwise the code of the protocol error that ended the connection;
   * otherwise those of the peer's Close frame (RFC 6455 section 7.4), or 1006 for a lost connection.
   */
  close: [client: ConnectedClient, code: number, reason: string]
}

/**
 * A listener for a hub event. A listener may return a promise: later events of the same client are emitted after the
 * promise has settled. An error that a listener throws is logged and affects neither other listeners nor the
 * connection.
 */
export type Listener<E extends keyof HubEvents> = (...args: HubEvents[E]) => unknown

/** The listeners of a hub. A failed listener is logged and affects neither the other listeners nor the connection. */
export class Events {
  readonly #listeners: { [E in keyof HubEvents]: Set<Listener<E>> } = {
    open: new Set(), error: new Set(), close: new Set()
  }

  readonly #log: Log

  constructor (log: Log) {
    this.#log = log
  }

  /**
   * Adds a listener. Adding the same listener twice has no further effect.
   *
   * @throws {Error} for an unknown event, and for a listener that is no function.
   */
  on<E extends keyof HubEvents> (event: E, listener: Listener<E>): void {
    const listeners = this.#listenersOf(event)
    if (typeof listener !== 'function') {
      throw new Error(`The listener of the hub's event "${event}" must be a function, not ${typeof listener}.`)
    }
    listeners.add(listener)
  }

  /**
   * Removes a listener.
   *
   * @throws {Error} for an unknown event.
   */
  off<E extends keyof HubEvents> (event: E, listener: Listener<E>): void {
    this.#listenersOf(event).delete(listener)
  }

  #listenersOf<E extends keyof HubEvents> (event: E): Set<Listener<E>> {
    if (Object.hasOwn(this.#listeners, event)) return this.#listeners[event]
    const names = Object.keys(this.#listeners).join(', ')
    throw new Error(`The hub has no event "${event}"; its events are ${names}.`)
  }

  /** Calls the listeners one after another, in the order of adding. Resolves when all are done; never rejects. */
  async emit<E extends keyof HubEvents> (event: E, ...args: HubEvents[E]): Promise<void> {
    for (const listener of this.#listeners[event]) {
      try {
        await listener(...args)
      } catch (error) {
        reportFailure(this.#log, error, { clientId: args[0].id }, 'a listener of the hub failed')
      }
    }
  }
}
