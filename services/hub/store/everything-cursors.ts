import type { Engine } from '../../engine/engine.ts'
import { HubError } from '../../model/errors.ts'
import type { Offset, UserId } from '../../model/message.ts'
import { asDurableCursor, type DurableCursor } from './durable-cursor.ts'
import { inboxKey, EVERYTHING, EVERYTHING_PREFIX } from './keys.ts'

/** What mailboxes work with. */
export interface EverythingCursorsOptions {
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
export class EverythingCursors {
  readonly #options: EverythingCursorsOptions
  /** How many there are, once they have been counted. */
  #count = 0
  #counted: Promise<void> | null = null

  constructor (options: EverythingCursorsOptions) {
    this.#options = options
  }

  /**
   * Where a reader begins who comes now. A mailbox that is new has what is said from now on. Resolves when it exists
   * for good; rejects with HUB_FULL when there are too many, with HUB_STORE_FAILED when a new one cannot be stored.
   */
  async open (user: UserId): Promise<{ readonly device: string, readonly since: Offset }> {
    const { state } = this.#options.engine
    const present = asDurableCursor(await state.get(inboxKey(user, EVERYTHING)))
    if (present === undefined) return { device: EVERYTHING, since: (await this.#create(user)).offset }
    // It is kept longer because it is read. Where that cannot be stored, it can be read all the same.
    state.update(inboxKey(user, EVERYTHING), (place) => place, this.#options.rememberMs).catch(() => {})
    return { device: EVERYTHING, since: present.offset }
  }

  /** Whether a user has one. */
  async has (user: UserId): Promise<boolean> {
    return asDurableCursor(await this.#options.engine.state.get(inboxKey(user, EVERYTHING))) !== undefined
  }

  /** Forgets the place: whoever opens the mailbox again begins with what is said from then on. Nobody is disconnected, and the user's inbox stays. */
  async remove (user: UserId): Promise<void> {
    if (!await this.has(user)) return
    await this.#options.engine.state.update(inboxKey(user, EVERYTHING), () => undefined, 0)
    if (this.#counted !== null) this.#count--
  }

  /** A mailbox that begins now: the user has, as far as it is concerned, all that was said before. */
  async #create (user: UserId): Promise<DurableCursor> {
    const { engine, max, now, rememberMs } = this.#options
    await (this.#counted ??= this.#countAll())
    if (max > 0 && this.#count >= max) throw new HubError('HUB_FULL', `There are ${max} mailboxes, and no more may be; delete some, or raise inbox.maxMailboxes.`)
    const { head: offset } = engine
    const { count, evicted } = await engine.summary({ address: { user }, after: 0, upTo: offset })
    const fresh = { offset, at: now(), ordinal: evicted.count + count }
    let added = 0
    const place = await engine.state.update(inboxKey(user, EVERYTHING), (present) => {
      const other = asDurableCursor(present)
      added = other === undefined ? 1 : 0
      return other ?? fresh
    }, rememberMs)
    this.#count += added
    return place ?? fresh
  }

  async #countAll (): Promise<void> {
    const { engine, max } = this.#options
    this.#count = max === 0 ? 0 : (await engine.state.list(EVERYTHING_PREFIX, max)).length
  }
}
