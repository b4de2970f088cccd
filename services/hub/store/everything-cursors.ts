import type { Engine } from '../../engine/engine.ts'
import type { Clock } from '../../lib/clock.ts'
import { HubError } from '../../model/errors.ts'
import type { Offset, UserId } from '../../model/message.ts'
import { asDurableCursor, type DurableCursor } from './durable-cursor.ts'
import { inboxKey, EVERYTHING, EVERYTHING_PREFIX } from './keys.ts'

/**
 * Durable cursors with the scope `everything`, at most one per user. While the user is offline, messages to everyone
 * and to the groups of the user stay deliverable from the log, as inbox messages do. All connections that read through
 * the cursor share the position, and the first acknowledgement moves it; such connections use a protocol that
 * `acknowledgesAll`.
 */
export class EverythingCursors {
  readonly #engine: Engine
  readonly #maxCursors: number
  readonly #rememberMs: number
  readonly #clock: Clock
  /** Number of stored cursors, valid once `#counted` has resolved. */
  #count = 0
  #counted: Promise<void> | null = null

  /**
   * @param maxCursors Most cursors of all users together; 0 for no limit.
   * @param rememberMs Time in ms after which a cursor without a reader is removed.
   */
  constructor (engine: Engine, maxCursors: number, rememberMs: number, clock: Clock) {
    this.#engine = engine
    this.#maxCursors = maxCursors
    this.#rememberMs = rememberMs
    this.#clock = clock
  }

  /**
   * Opens the cursor of a user and creates a missing cursor at the head of the log. Resolves when the cursor is stored,
   * with the device name and the start offset for a connection that reads through the cursor.
   *
   * @throws {HubError} HUB_FULL when the limit is reached.
   * @throws {HubError} HUB_STORE_FAILED when a new cursor cannot be stored.
   */
  async open (user: UserId): Promise<{ readonly device: string, readonly since: Offset }> {
    const { state } = this.#engine
    const present = asDurableCursor(await state.get(inboxKey(user, EVERYTHING)))
    if (present === undefined) return { device: EVERYTHING, since: (await this.#create(user)).offset }
    // Reading prolongs the life of the cursor. A failure is ignored: the cursor is readable without the prolongation.
    state.update(inboxKey(user, EVERYTHING), (cursor) => cursor, this.#rememberMs).catch(() => {})
    return { device: EVERYTHING, since: present.offset }
  }

  /** Whether a user has a cursor with this scope. */
  async has (user: UserId): Promise<boolean> {
    return asDurableCursor(await this.#engine.state.get(inboxKey(user, EVERYTHING))) !== undefined
  }

  /** Removes the cursor of a user. The next `open` starts at the head of the log. Connections and the inbox stay. */
  async remove (user: UserId): Promise<void> {
    if (!await this.has(user)) return
    await this.#engine.state.update(inboxKey(user, EVERYTHING), () => undefined, 0)
    if (this.#counted !== null) this.#count--
  }

  /** Creates a cursor at the head of the log: for the new cursor, every earlier message counts as acknowledged. */
  async #create (user: UserId): Promise<DurableCursor> {
    await (this.#counted ??= this.#countAll())
    const max = this.#maxCursors
    if (max > 0 && this.#count >= max) {
      throw new HubError('HUB_FULL', `There are ${max} mailboxes, and no more may be; delete some, or raise inbox.maxMailboxes.`)
    }
    const { head: offset } = this.#engine
    const { count, evicted } = await this.#engine.summary({ address: { user }, after: 0, upTo: offset })
    const created = { offset, at: this.#clock.wall(), ordinal: evicted.count + count }
    let added = 0
    const stored = await this.#engine.state.update(inboxKey(user, EVERYTHING), (present) => {
      const concurrent = asDurableCursor(present)
      added = concurrent === undefined ? 1 : 0
      return concurrent ?? created
    }, this.#rememberMs)
    this.#count += added
    return stored ?? created
  }

  async #countAll (): Promise<void> {
    const max = this.#maxCursors
    this.#count = max === 0 ? 0 : (await this.#engine.state.list(EVERYTHING_PREFIX, max)).length
  }
}
