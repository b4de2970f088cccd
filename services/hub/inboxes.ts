import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { InboxInfo } from '../client-info.ts'
import type { Engine, State } from '../engine/engine.ts'
import type { Offset, UserId } from '../message.ts'
import { deviceIn, inboxKey, inboxPrefix } from './state-keys.ts'

/** How far a device has acknowledged, when, and how many messages since the inbox was last purged. */
const Place = Type.Object({ offset: Type.Integer(), at: Type.Integer(), ordinal: Type.Integer() })
type Place = Static<typeof Place>
const places = TypeCompiler.Compile(Place)

/** Devices with a name that a user may have. */
const MAX_DEVICES = 50

/** What inboxes work with. */
export interface InboxesOptions {
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
export class Inboxes {
  readonly #engine: Engine
  readonly #state: State
  readonly #options: InboxesOptions
  /** Acknowledgements that are being stored, with what has been acknowledged since. */
  readonly #storing = new Map<string, { latest: Offset, readonly done: Promise<void> }>()

  constructor (options: InboxesOptions) {
    this.#options = options
    this.#engine = options.engine
    this.#state = options.engine.state
  }

  /** Up to where a device has acknowledged. One that is new begins where its user is, and has a place of its own from then on. */
  async acknowledged (user: UserId, device: string): Promise<Offset> {
    const own = await this.#place(inboxKey(user, device))
    if (own !== null || device === '') return own?.offset ?? 0
    const offset = (await this.#place(inboxKey(user, '')))?.offset ?? 0
    await this.#makeRoom(user)
    this.acknowledge(user, device, offset)
    return offset
  }

  /** A device has everything up to an offset. Stored soon; while that takes, only the latest offset waits. */
  acknowledge (user: UserId, device: string, offset: Offset): void {
    const key = inboxKey(user, device)
    const storing = this.#storing.get(key)
    if (storing !== undefined) storing.latest = Math.max(storing.latest, offset)
    else this.#storing.set(key, { latest: offset, done: this.#store(user, key, offset) })
  }

  /** Resolves when nothing is on its way to the store. */
  async idle (): Promise<void> {
    await Promise.all([...this.#storing.values()].map(({ done }) => done))
  }

  /** Whether a device of the user has acknowledged the message at an offset. */
  async hasAcknowledged (user: UserId, offset: Offset): Promise<boolean> {
    const kept = await this.#state.list(inboxPrefix(user), MAX_DEVICES + 1)
    return kept.some(({ value }) => places.Check(value) && value.offset >= offset)
  }

  /** What waits for a user. */
  async info (user: UserId): Promise<InboxInfo> {
    const address = { user }
    const kept = await this.#state.list(inboxPrefix(user), MAX_DEVICES + 1)
    const cursors = kept.flatMap(({ key, value }) => places.Check(value) ? [{ device: deviceIn(key), acknowledged: value.offset, at: new Date(value.at).toISOString() }] : [])
    const place = await this.#place(inboxKey(user, ''))
    const { count, oldest, evicted } = await this.#engine.summary({ address, after: place?.offset ?? 0 })
    return { user, count, oldest: oldest === 0 ? null : oldest, dropped: Math.max(0, evicted.count - (place?.ordinal ?? 0)), cursors }
  }

  /** Removes all messages of a user; answers how many. */
  async purge (user: UserId): Promise<number> {
    const purged = await this.#engine.purge({ user })
    // The engine counts what it evicts from here on.
    await this.#state.update(inboxKey(user, ''), (present) => places.Check(present) ? { ...present, ordinal: 0 } : undefined, this.#options.rememberMs)
    return purged
  }

  async #store (user: UserId, key: string, offset: Offset): Promise<void> {
    try {
      const { rememberMs, now } = this.#options
      const { offset: after, ordinal } = await this.#place(key) ?? { offset: 0, ordinal: 0 }
      const { count } = await this.#engine.summary({ address: { user }, after, upTo: Math.max(after, offset) })
      const next = { offset, at: now(), ordinal: ordinal + count }
      await this.#state.update(key, (present) => places.Check(present) && present.offset >= offset ? present : next, rememberMs)
    } catch (error) {
      this.#options.onFailure(error)
    }
    const latest = this.#storing.get(key)?.latest ?? offset
    if (latest > offset) return this.#store(user, key, latest)
    this.#storing.delete(key)
  }

  /** A user has only so many devices: the one that has acknowledged nothing for longest is forgotten. */
  async #makeRoom (user: UserId): Promise<void> {
    const kept = await this.#state.list(inboxPrefix(user), MAX_DEVICES + 1)
    const named = kept.flatMap(({ key, value }) => places.Check(value) && deviceIn(key) !== '' ? [{ key, at: value.at }] : [])
    if (named.length < MAX_DEVICES) return
    const oldest = named.reduce((first, one) => one.at < first.at ? one : first)
    await this.#state.update(oldest.key, () => undefined, 0)
  }

  async #place (key: string): Promise<Place | null> {
    const value = await this.#state.get(key)
    return places.Check(value) ? value : null
  }
}
