import type { Engine } from '../engine/engine.ts'
import { HubError } from '../errors.ts'
import type { UserId } from '../message.ts'
import type { OpenOptions } from './hub-options.ts'
import { asPlace, type Place } from './place.ts'
import { inboxKey, MAILBOX, MAILBOX_PREFIX } from './state-keys.ts'

/** What mailboxes work with. */
export interface MailboxesOptions {
  readonly engine: Engine
  /** Mailboxes that there may be; 0 for no limit. */
  readonly max: number
  /** How long in ms a mailbox is kept that nobody reads. */
  readonly rememberMs: number
  readonly now: () => number
}

/**
 * Places in everything that concerns a user, kept while nobody is there: what is said to everyone and to the user's
 * groups waits in the log as the inbox does. The connections that read a mailbox share its place, which the first to
 * acknowledge moves; they speak a protocol that `acknowledgesAll`.
 */
export class Mailboxes {
  readonly #options: MailboxesOptions
  /** How many there are; null until it matters. */
  #count: number | null = null

  constructor (options: MailboxesOptions) {
    this.#options = options
  }

  /**
   * Where a reader begins who comes now. A mailbox that is new has what is said from now on. Resolves when it exists
   * for good; rejects with HUB_FULL when there are too many, with HUB_STORE_FAILED when it cannot be stored.
   */
  async open (user: UserId): Promise<OpenOptions> {
    const { engine, rememberMs } = this.#options
    const fresh = await this.has(user) ? undefined : await this.#begin(user)
    const place = await engine.state.update(inboxKey(user, MAILBOX), (present) => asPlace(present) ?? fresh, rememberMs)
    // It was removed in this moment.
    if (place === undefined) return this.open(user)
    return { device: MAILBOX, since: place.offset }
  }

  /** Whether a user has one. */
  async has (user: UserId): Promise<boolean> {
    return asPlace(await this.#options.engine.state.get(inboxKey(user, MAILBOX))) !== undefined
  }

  /** Forgets the place: whoever opens the mailbox again begins with what is said from then on. Nobody is disconnected, and the user's inbox stays. */
  async remove (user: UserId): Promise<void> {
    if (!await this.has(user)) return
    await this.#options.engine.state.update(inboxKey(user, MAILBOX), () => undefined, 0)
    if (this.#count !== null) this.#count--
  }

  /** The place of a mailbox that begins now: the user has, as far as it is concerned, all that was said before. */
  async #begin (user: UserId): Promise<Place> {
    const { engine, max, now } = this.#options
    this.#count ??= max === 0 ? 0 : (await engine.state.list(MAILBOX_PREFIX, max)).length
    if (max > 0 && this.#count >= max) throw new HubError('HUB_FULL', `There are ${max} mailboxes, and no more may be; delete some, or raise inbox.maxMailboxes.`)
    this.#count++
    const { head: offset } = engine
    const { count, evicted } = await engine.summary({ address: { user }, after: 0, upTo: offset })
    return { offset, at: now(), ordinal: evicted.count + count }
  }
}
