import type { InboxInfo } from '../../model/info.ts'
import type { Engine, State } from '../../engine/engine.ts'
import type { Offset, UserId } from '../../model/message.ts'
import { CoalescedWrites } from './coalesced-writes.ts'
import { asDurableCursor, type DurableCursor } from './durable-cursor.ts'
import { deviceOfKey, inboxKey, inboxPrefix, EVERYTHING } from './keys.ts'

/** Where a device is that has acknowledged nothing. */
const NOWHERE = { offset: 0, ordinal: 0 }

/** Up to where a user's device has everything. */
interface Acknowledgement {
  readonly user: UserId
  readonly offset: Offset
}

/** Devices with a name that a user may have. */
const MAX_DEVICES = 50

/** What inboxes work with. */
export interface InboxCursorsOptions {
  readonly engine: Engine
  /** How long in ms it is remembered how far a device that stays away has acknowledged. */
  readonly rememberMs: number
  readonly now: () => number
  /** An acknowledgement could not be stored. Must not throw. */
  readonly onFailure: (error: unknown) => void
}

/**
 * The inboxes of users: not stores of their own, but each the user's messages in the log above what the user has
 * acknowledged. The first connection to acknowledge moves that place for all of them; a connection that names its device
 * has a place of its own.
 */
export class InboxCursors {
  readonly #engine: Engine
  readonly #state: State
  readonly #options: InboxCursorsOptions
  readonly #writes: CoalescedWrites<string, Acknowledgement>

  constructor (options: InboxCursorsOptions) {
    this.#options = options
    this.#engine = options.engine
    this.#state = options.engine.state
    this.#writes = new CoalescedWrites({ write: (key, acknowledgement) => this.#store(key, acknowledgement), onFailure: options.onFailure })
  }

  /** Up to where a device has acknowledged. One that is new begins where its user is, and has a place of its own from then on. */
  async acknowledged (user: UserId, device: string): Promise<Offset> {
    const own = await this.#place(inboxKey(user, device))
    if (own !== undefined || device === '') return own?.offset ?? 0
    const offset = (await this.#place(inboxKey(user, '')))?.offset ?? 0
    await this.#makeRoom(user)
    this.acknowledge(user, device, offset)
    return offset
  }

  /** A device has everything up to an offset. Stored soon; while that takes, only the greatest offset waits. */
  acknowledge (user: UserId, device: string, offset: Offset): void {
    const key = inboxKey(user, device)
    const newest = this.#writes.newest(key)
    if (newest === undefined || offset > newest.offset) void this.#writes.put(key, { user, offset })
  }

  /** Resolves when nothing is on its way to the store. */
  idle (): Promise<void> {
    return this.#writes.idle()
  }

  /** Whether a device of the user has acknowledged the message at an offset. */
  async hasAcknowledged (user: UserId, offset: Offset): Promise<boolean> {
    const kept = await this.#places(user)
    return kept.some((place) => place.offset >= offset)
  }

  /** What waits for a user. */
  async info (user: UserId): Promise<InboxInfo> {
    const kept = await this.#places(user)
    // A user who only reads a mailbox has a place there.
    const { offset: after, ordinal } = kept.find(({ device }) => device === '') ?? kept.find(({ device }) => device === EVERYTHING) ?? NOWHERE
    const { count, oldest, evicted } = await this.#engine.summary({ address: { user }, after })
    const cursors = kept.map(({ device, offset, at }) => ({ device, acknowledged: offset, at: new Date(at).toISOString() }))
    return { user, count, oldest: oldest === 0 ? null : oldest, dropped: Math.max(0, evicted.count - ordinal), cursors }
  }

  /** Removes all messages of a user; answers how many. */
  async purge (user: UserId): Promise<number> {
    const purged = await this.#engine.purge({ user })
    // The engine counts what it evicts from here on.
    await this.#state.update(inboxKey(user, ''), (present) => {
      const place = asDurableCursor(present)
      return place === undefined ? undefined : { ...place, ordinal: 0 }
    }, this.#options.rememberMs)
    return purged
  }

  async #store (key: string, { user, offset }: Acknowledgement): Promise<void> {
    const { rememberMs, now } = this.#options
    const { offset: after, ordinal } = await this.#place(key) ?? NOWHERE
    const { count } = await this.#engine.summary({ address: { user }, after, upTo: Math.max(after, offset) })
    const next = { offset, at: now(), ordinal: ordinal + count }
    await this.#state.update(key, (present) => {
      const place = asDurableCursor(present)
      // A mailbox that has been removed is not made anew by those who still read it.
      if (place === undefined && key === inboxKey(user, EVERYTHING)) return undefined
      return place !== undefined && place.offset >= offset ? place : next
    }, rememberMs)
  }

  /** A user has only so many devices: the one that has acknowledged nothing for longest is forgotten. */
  async #makeRoom (user: UserId): Promise<void> {
    const kept = await this.#places(user)
    const named = kept.filter(({ device }) => device !== '' && device !== EVERYTHING)
    if (named.length < MAX_DEVICES) return
    const oldest = named.reduce((first, one) => one.at < first.at ? one : first)
    await this.#state.update(inboxKey(user, oldest.device), () => undefined, 0)
  }

  /** The places of all devices of a user, that of those without a name first, and of the mailbox. */
  async #places (user: UserId): Promise<Array<DurableCursor & { readonly device: string }>> {
    const kept = (await this.#state.list(inboxPrefix(user), MAX_DEVICES + 1)).map(({ key, value }) => ({ device: deviceOfKey(key), place: asDurableCursor(value) }))
    const all = [...kept, { device: EVERYTHING, place: await this.#place(inboxKey(user, EVERYTHING)) }]
    return all.flatMap(({ device, place }) => place === undefined ? [] : [{ ...place, device }])
  }

  async #place (key: string): Promise<DurableCursor | undefined> {
    return asDurableCursor(await this.#state.get(key))
  }
}
