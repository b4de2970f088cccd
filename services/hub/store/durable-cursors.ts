import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Engine } from '../../engine/engine.ts'
import { MAX_LISTED } from '../../engine/state.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import { everythingCursorOf, type DurableCursor } from '../../model/durable-cursor.ts'
import { HubError } from '../../model/errors.ts'
import type { InboxInfo } from '../../model/info.ts'
import type { Offset, UserId } from '../../model/message.ts'
import { CoalescedWrites } from './coalesced-writes.ts'
import { cursorKey, EVERYTHING_CURSORS, inboxCursorsOf } from './keys.ts'

/** The position of a durable cursor, as the engine's state stores it. */
const Position = Type.Object({
  /** Every message up to this offset is acknowledged. */
  offset: Type.Integer(),
  /** Time of the last acknowledgement, in ms since the epoch. */
  at: Type.Integer(),
  /** Number of messages to the user up to `offset`, counted since the inbox was last purged. */
  ordinal: Type.Integer(),
  /** Deliveries of one message in a row after which the connection ended; absent after an acknowledgement. */
  redelivery: Type.Optional(Type.Object({ offset: Type.Integer(), count: Type.Integer() })),
  /** Offsets of messages that are skipped for this cursor, oldest first. */
  skipped: Type.Optional(Type.Array(Type.Integer()))
})
type Position = Static<typeof Position>
const positionCheck = TypeCompiler.Compile(Position)
/** Reads a stored value; undefined for a value of another form. */
const asPosition = (value: unknown): Position | undefined => positionCheck.Check(value) ? value : undefined

/** Position before the first acknowledgement. */
const LOG_BEGIN = { offset: 0, ordinal: 0 }

/** Skipped messages that a cursor remembers, the newest. */
const MAX_SKIPPED = 100

/** Most named inbox cursors of one user. */
const MAX_NAMES = 50

/** An acknowledgement to be stored: every message up to `offset`. */
interface Acknowledgement {
  readonly cursor: DurableCursor
  readonly offset: Offset
}

/** Messages that a connection through a cursor must not get again, or gets with care. */
export interface Redelivery {
  /** Offsets of skipped messages. */
  readonly skipped: readonly Offset[]
  /** The message after which the last connections ended; 0 without one. */
  readonly offset: Offset
  /** How many connections in a row ended after this message. */
  readonly count: number
}

/** Limits of durable cursors. */
export interface DurableCursorLimits {
  /** Most cursors with the scope `everything`, of all users together; 0 for no limit. */
  readonly maxEverything: number
  /** Time in ms after the last change for which a cursor is kept. */
  readonly rememberMs: number
}

/**
 * The durable cursors of all users: named positions in the log, which outlive connections. The messages above a cursor
 * are in the log and nowhere else.
 *
 * - Scope `inbox`: one cursor for each device of a user. Connections without a device name share one cursor, which the
 *   first acknowledgement moves.
 * - Scope `everything`: one cursor of a user, shared by all connections that read through it. Such connections use a
 *   protocol that `acknowledgesAll`. While the user is offline, messages to everyone and to the groups of the user stay
 *   deliverable, as messages to the user do.
 */
export class DurableCursors {
  readonly #engine: Engine
  readonly #limits: DurableCursorLimits
  readonly #clock: Clock
  readonly #writes: CoalescedWrites<string, Acknowledgement>
  /** Users with a cursor of the scope `everything`: complete once `#watching` has resolved. */
  readonly #everything = new Set<UserId>()
  #watching: Promise<unknown> | null = null

  constructor (engine: Engine, limits: DurableCursorLimits, clock: Clock, log: Log) {
    this.#engine = engine
    this.#limits = limits
    this.#clock = clock
    const failure = 'an acknowledgement could not be stored'
    this.#writes = new CoalescedWrites(engine, log, failure, (_key, value) => this.#store(value))
  }

  /**
   * Opens a cursor for a connection. Resolves with the offset above which the connection reads. A missing inbox cursor
   * is at the beginning of the log; with a name, at the cursor of the devices without a name. A missing cursor with the
   * scope `everything` is created at the head of the log.
   *
   * @throws {HubError} HUB_FULL when the limit of cursors with the scope `everything` is reached.
   * @throws {HubError} HUB_STORE_FAILED when the cursor cannot be read, or a cursor with the scope `everything` cannot
   * be stored.
   */
  async open (cursor: DurableCursor): Promise<Offset> {
    const present = await this.#read(cursor)
    if (cursor.scope === 'everything') {
      return present === undefined ? this.#create(cursor) : this.#prolong(cursor, present)
    }
    if (present !== undefined || cursor.name === '') return present?.offset ?? 0
    const offset = (await this.#read({ ...cursor, name: '' }))?.offset ?? 0
    this.acknowledge(cursor, offset)
    return offset
  }

  /**
   * Whether a cursor is stored.
   *
   * @throws {HubError} HUB_STORE_FAILED when the state cannot be read.
   */
  async has (cursor: DurableCursor): Promise<boolean> {
    return await this.#read(cursor) !== undefined
  }

  /**
   * Removes a cursor. The messages stay in the log, and connections stay open.
   *
   * @throws {HubError} HUB_STORE_FAILED when the state cannot be written.
   */
  async remove (cursor: DurableCursor): Promise<void> {
    if (!await this.has(cursor)) return
    await this.#engine.state.update(cursorKey(cursor), () => undefined, 0)
  }

  /** Acknowledges every message up to an offset. The write is asynchronous, and only the greatest offset is queued. */
  acknowledge (cursor: DurableCursor, offset: Offset): void {
    // JSON, because the writes need a text that no other cursor has.
    const key = JSON.stringify(cursorKey(cursor))
    const newest = this.#writes.newest(key)
    if (newest === undefined || offset > newest.offset) void this.#writes.put(key, { cursor, offset })
  }

  /**
   * The skipped messages of a cursor, and the message after which its last connections ended.
   *
   * @throws {HubError} HUB_STORE_FAILED when the state cannot be read.
   */
  async redelivery (cursor: DurableCursor): Promise<Redelivery> {
    const { skipped = [], redelivery } = await this.#read(cursor) ?? {}
    return { skipped, ...redelivery ?? { offset: 0, count: 0 } }
  }

  /**
   * Counts a delivery after which the connection ended. At `most` deliveries of the same message in a row, the cursor
   * skips the message. Resolves with whether it does.
   *
   * @throws {HubError} HUB_STORE_FAILED when the state cannot be written.
   */
  async countRedelivery (cursor: DurableCursor, offset: Offset, most: number): Promise<boolean> {
    const first: Position = { ...LOG_BEGIN, at: this.#clock.wall() }
    const counted = await this.#update(cursor, (stored) => {
      if (stored === undefined && cursor.scope === 'everything') return undefined
      const { redelivery, skipped = [], ...present } = stored ?? first
      const count = redelivery?.offset === offset ? redelivery.count + 1 : 1
      if (count >= most) return { ...present, skipped: [...skipped, offset].slice(-MAX_SKIPPED) }
      return { ...present, skipped, redelivery: { offset, count } }
    })
    const isSkipped = counted?.skipped?.includes(offset) === true
    if (isSkipped) this.acknowledge(cursor, offset)
    return isSkipped
  }

  /** Resolves when all acknowledgements are stored. */
  idle (): Promise<void> {
    return this.#writes.idle()
  }

  /**
   * What the devices of a user have done with the message at an offset: `acknowledged` by one of them; otherwise
   * `skipped` for one of them; null otherwise.
   */
  async outcome (user: UserId, offset: Offset): Promise<'acknowledged' | 'skipped' | null> {
    const passed = (await this.#readAll(user)).filter(({ position }) => position.offset >= offset)
    if (passed.length === 0) return null
    return passed.every(({ position }) => position.skipped?.includes(offset) === true) ? 'skipped' : 'acknowledged'
  }

  /**
   * Summary of the inbox of a user: unacknowledged and dropped messages, and the position of each cursor.
   *
   * @throws {HubError} HUB_STORE_FAILED when the log cannot be read.
   */
  async info (user: UserId): Promise<InboxInfo> {
    const all = await this.#readAll(user)
    // Users without an inbox cursor may read through a cursor with the scope `everything`, and acknowledge there.
    const shared = all.find(({ cursor: { name } }) => name === '')
    const { offset: after, ordinal } = shared?.position ?? LOG_BEGIN
    const { count, oldest, evicted } = await this.#engine.summary({ address: { user }, after })
    const cursors = all.map(({ cursor: { name, scope }, position: { offset, at } }) => {
      return { device: name, scope, acknowledged: offset, at: new Date(at).toISOString() }
    })
    const dropped = Math.max(0, evicted.count - ordinal)
    return { user, count, oldest: oldest === 0 ? null : oldest, dropped, cursors }
  }

  /**
   * Removes all messages to a user from the log. Resolves with the number of removed messages.
   *
   * @throws {HubError} HUB_STORE_FAILED when the log cannot be written.
   */
  async purge (user: UserId): Promise<number> {
    const purged = await this.#engine.purge({ user })
    // A purge resets the engine's count of evicted messages, so the counts of the shared cursors start again too.
    const shared: DurableCursor[] = [{ user, name: '', scope: 'inbox' }, everythingCursorOf(user)]
    await Promise.all(shared.map((cursor) => {
      return this.#update(cursor, (present) => present === undefined ? undefined : { ...present, ordinal: 0 })
    }))
    return purged
  }

  /** Prolongs the life of a cursor with a reader. A failure is ignored: the cursor is readable all the same. */
  #prolong (cursor: DurableCursor, { offset }: Position): Offset {
    this.#update(cursor, (present) => present).catch(() => {})
    return offset
  }

  /** Creates a cursor at the head of the log: for the new cursor, every earlier message counts as acknowledged. */
  async #create (cursor: DurableCursor): Promise<Offset> {
    const max = this.#limits.maxEverything
    if (max > 0) await this.#watchEverything()
    if (max > 0 && this.#everything.size >= max) {
      throw new HubError('HUB_FULL', `There are ${max} mailboxes, and no more may be; delete some, or raise inbox.maxMailboxes.`)
    }
    const { head: offset } = this.#engine
    const { count, evicted } = await this.#engine.summary({ address: { user: cursor.user }, after: 0, upTo: offset })
    const created = { offset, at: this.#clock.wall(), ordinal: evicted.count + count }
    const stored = await this.#update(cursor, (concurrent) => concurrent ?? created)
    return stored?.offset ?? offset
  }

  /** Watches the users with a cursor of the scope `everything`. Resolves when all of them are known. */
  #watchEverything (): Promise<unknown> {
    this.#watching ??= this.#engine.state.watch(EVERYTHING_CURSORS, (key, value) => {
      const user = key.at(-1) ?? ''
      if (value === undefined) this.#everything.delete(user)
      else this.#everything.add(user)
    }).catch((error: unknown) => {
      this.#watching = null
      throw error
    })
    return this.#watching
  }

  async #store ({ cursor, offset }: Acknowledgement): Promise<void> {
    const { user, name, scope } = cursor
    const stored = await this.#read(cursor)
    const isNewDevice = stored === undefined && name !== ''
    // A new device continues at the position of the user's cursor, behind the messages that this one has skipped.
    const origin = isNewDevice ? await this.#read({ ...cursor, name: '' }) : undefined
    const { offset: after, ordinal } = stored ?? LOG_BEGIN
    const { count } = await this.#engine.summary({ address: { user }, after, upTo: Math.max(after, offset) })
    const moved = { offset, at: this.#clock.wall(), ordinal: ordinal + count }
    await this.#update(cursor, (present) => {
      // A late acknowledgement must not create a removed cursor with the scope `everything` again.
      if (present === undefined && scope === 'everything') return undefined
      if (present !== undefined && present.offset >= offset) return present
      const { skipped } = present ?? origin ?? {}
      return skipped === undefined ? moved : { ...moved, skipped }
    })
  }

  /**
   * Removes the named inbox cursors with the oldest acknowledgements, over the limit of names. Runs after a cursor is
   * added: of many cursors that are added at the same time, the last one counts all.
   */
  async #evictOverCount ({ user, name: added }: DurableCursor): Promise<void> {
    const listed = await this.#readAll(user, MAX_LISTED)
    const others = listed.filter(({ cursor: { name } }) => name !== '' && name !== added)
    const excess = others.length + 1 - MAX_NAMES
    if (excess <= 0) return
    const oldest = others.sort((a, b) => a.position.at - b.position.at).slice(0, excess)
    await Promise.all(oldest.map(({ cursor }) => this.remove(cursor)))
  }

  /** All durable cursors of a user: the inbox cursor without a name, the named ones, and that of `everything`. */
  async #readAll (
    user: UserId, most = MAX_NAMES + 1
  ): Promise<Array<{ readonly cursor: DurableCursor, readonly position: Position }>> {
    const listed = await this.#engine.state.list(inboxCursorsOf(user), most)
    const inbox = listed.map(({ key, value }) => {
      return { cursor: { user, name: key.at(-1) ?? '', scope: 'inbox' as const }, position: asPosition(value) }
    })
    const everything = everythingCursorOf(user)
    const all = [...inbox, { cursor: everything, position: await this.#read(everything) }]
    return all.flatMap(({ cursor, position }) => position === undefined ? [] : [{ cursor, position }])
  }

  async #read (cursor: DurableCursor): Promise<Position | undefined> {
    return asPosition(await this.#engine.state.get(cursorKey(cursor)))
  }

  async #update (
    cursor: DurableCursor, change: (present: Position | undefined) => Position | undefined
  ): Promise<Position | undefined> {
    let isAdded = false as boolean
    const stored = await this.#engine.state.update(cursorKey(cursor), (value) => {
      const present = asPosition(value)
      const changed = change(present)
      isAdded = present === undefined && changed !== undefined
      return changed
    }, this.#limits.rememberMs)
    if (isAdded && cursor.name !== '') await this.#evictOverCount(cursor)
    return stored
  }
}
