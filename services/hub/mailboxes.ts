import type { Engine } from '../engine/engine.ts'
import type { UserId } from '../message.ts'
import type { OpenOptions } from './hub-options.ts'
import { asPlace, type Place } from './inboxes.ts'
import { inboxKey, MAILBOX } from './state-keys.ts'

/**
 * Places in everything that concerns a user, kept while nobody is there: what is said to everyone and to the user's
 * groups waits in the log as the inbox does. The connections that read a mailbox share its place, which the first to
 * acknowledge moves; they speak a protocol that `acknowledgesAll`.
 */
export class Mailboxes {
  readonly #engine: Engine
  readonly #rememberMs: number
  readonly #now: () => number

  /** `rememberMs`: how long a mailbox is kept that nobody reads. */
  constructor (engine: Engine, rememberMs: number, now: () => number) {
    this.#engine = engine
    this.#rememberMs = rememberMs
    this.#now = now
  }

  /**
   * Where a reader begins who comes now. A mailbox that is new has what is said from now on. Resolves when it exists
   * for good; rejects with HUB_STORE_FAILED when it cannot.
   */
  async open (user: UserId): Promise<OpenOptions> {
    const fresh: Place = { offset: this.#engine.head, at: this.#now(), ordinal: 0 }
    const place = await this.#engine.state.update(inboxKey(user, MAILBOX), (present) => asPlace(present) ?? fresh, this.#rememberMs)
    return { device: MAILBOX, since: (place ?? fresh).offset }
  }

  /** Whether a user has one. */
  async has (user: UserId): Promise<boolean> {
    return asPlace(await this.#engine.state.get(inboxKey(user, MAILBOX))) !== null
  }

  /** Removes a mailbox, and with it what waits there. Whoever reads it is not disconnected. */
  async remove (user: UserId): Promise<void> {
    await this.#engine.state.update(inboxKey(user, MAILBOX), () => undefined, 0)
  }
}
