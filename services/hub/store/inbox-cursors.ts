import type { Engine } from '../../engine/engine.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { InboxInfo } from '../../model/info.ts'
import type { Offset, UserId } from '../../model/message.ts'
import { CoalescedWrites } from './coalesced-writes.ts'
import { asDurableCursor, type DurableCursor } from './durable-cursor.ts'
import { deviceOfKey, inboxKey, inboxPrefix, EVERYTHING } from './keys.ts'

/** Position before the first acknowledgement. */
const LOG_BEGIN = { offset: 0, ordinal: 0 }

/** Most named devices of one user. */
const MAX_DEVICES = 50

/** An acknowledgement to be stored: every message to the user up to `offset`. */
interface Acknowledgement {
  readonly user: UserId
  readonly offset: Offset
}

type DeviceCursor = DurableCursor & { readonly device: string }

/**
 * Durable cursors with the scope `inbox`, one per device of a user. An inbox is no store of its own: an inbox is the
 * messages to the user in the log above the cursor. Connections without a device name share one cursor, which the first
 * acknowledgement moves; a connection that names its device has a cursor of its own.
 */
export class InboxCursors {
  readonly #engine: Engine
  readonly #rememberMs: number
  readonly #clock: Clock
  readonly #writes: CoalescedWrites<string, Acknowledgement>

  /** @param rememberMs Time in ms after the last acknowledgement for which a cursor is kept. */
  constructor (engine: Engine, rememberMs: number, clock: Clock, log: Log) {
    this.#engine = engine
    this.#rememberMs = rememberMs
    this.#clock = clock
    const failure = 'an acknowledgement could not be stored'
    this.#writes = new CoalescedWrites(engine, log, failure, (key, value) => this.#store(key, value))
  }

  /**
   * The offset up to which a device has acknowledged; 0 before the first acknowledgement of the user. A new device gets
   * a cursor of its own at the position of the cursor for connections without a device name.
   */
  async acknowledged (user: UserId, device: string): Promise<Offset> {
    const own = await this.#read(inboxKey(user, device))
    if (own !== undefined || device === '') return own?.offset ?? 0
    const offset = (await this.#read(inboxKey(user, '')))?.offset ?? 0
    await this.#evictOverCount(user)
    this.acknowledge(user, device, offset)
    return offset
  }

  /**
   * Acknowledges every message to the user up to an offset. The write is asynchronous, and only the greatest offset is
   * queued.
   */
  acknowledge (user: UserId, device: string, offset: Offset): void {
    const key = inboxKey(user, device)
    const newest = this.#writes.newest(key)
    if (newest === undefined || offset > newest.offset) void this.#writes.put(key, { user, offset })
  }

  /** Resolves when all acknowledgements are stored. */
  idle (): Promise<void> {
    return this.#writes.idle()
  }

  /** Whether a device of the user has acknowledged the message at an offset. */
  async hasAcknowledged (user: UserId, offset: Offset): Promise<boolean> {
    const cursors = await this.#readAll(user)
    return cursors.some((cursor) => cursor.offset >= offset)
  }

  /** Summary of the inbox of a user: unacknowledged and dropped messages, and the cursor of each device. */
  async info (user: UserId): Promise<InboxInfo> {
    const found = await this.#readAll(user)
    // Users without an inbox cursor may read through an everything cursor, and acknowledge there.
    const cursor = found.find(({ device }) => device === '') ?? found.find(({ device }) => device === EVERYTHING)
    const { offset: after, ordinal } = cursor ?? LOG_BEGIN
    const { count, oldest, evicted } = await this.#engine.summary({ address: { user }, after })
    const cursors = found.map(({ device, offset, at }) => {
      return { device, acknowledged: offset, at: new Date(at).toISOString() }
    })
    const dropped = Math.max(0, evicted.count - ordinal)
    return { user, count, oldest: oldest === 0 ? null : oldest, dropped, cursors }
  }

  /** Removes all messages to a user from the log. Resolves with the number of removed messages. */
  async purge (user: UserId): Promise<number> {
    const purged = await this.#engine.purge({ user })
    // A purge resets the engine's count of evicted messages, so the count of the cursor starts again too.
    await this.#engine.state.update(inboxKey(user, ''), (present) => {
      const cursor = asDurableCursor(present)
      return cursor === undefined ? undefined : { ...cursor, ordinal: 0 }
    }, this.#rememberMs)
    return purged
  }

  async #store (key: string, { user, offset }: Acknowledgement): Promise<void> {
    const { offset: after, ordinal } = await this.#read(key) ?? LOG_BEGIN
    const { count } = await this.#engine.summary({ address: { user }, after, upTo: Math.max(after, offset) })
    const moved = { offset, at: this.#clock.wall(), ordinal: ordinal + count }
    await this.#engine.state.update(key, (present) => {
      const cursor = asDurableCursor(present)
      // A late acknowledgement must not create a removed everything cursor again.
      if (cursor === undefined && key === inboxKey(user, EVERYTHING)) return undefined
      return cursor !== undefined && cursor.offset >= offset ? cursor : moved
    }, this.#rememberMs)
  }

  /** At the limit of devices, removes the cursor with the oldest acknowledgement. */
  async #evictOverCount (user: UserId): Promise<void> {
    const cursors = await this.#readAll(user)
    const named = cursors.filter(({ device }) => device !== '' && device !== EVERYTHING)
    if (named.length < MAX_DEVICES) return
    const oldest = named.reduce((first, one) => one.at < first.at ? one : first)
    await this.#engine.state.update(inboxKey(user, oldest.device), () => undefined, 0)
  }

  /**
   * All durable cursors of a user: first the cursor without a device name, then named devices, last the everything
   * cursor.
   */
  async #readAll (user: UserId): Promise<DeviceCursor[]> {
    const listed = await this.#engine.state.list(inboxPrefix(user), MAX_DEVICES + 1)
    const inbox = listed.map(({ key, value }) => ({ device: deviceOfKey(key), cursor: asDurableCursor(value) }))
    const all = [...inbox, { device: EVERYTHING, cursor: await this.#read(inboxKey(user, EVERYTHING)) }]
    return all.flatMap(({ device, cursor }) => cursor === undefined ? [] : [{ ...cursor, device }])
  }

  async #read (key: string): Promise<DurableCursor | undefined> {
    return asDurableCursor(await this.#engine.state.get(key))
  }
}
