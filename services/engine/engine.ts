import { HubError } from '../model/errors.ts'
import { MAX_ID_LENGTH, type Address, type Draft, type Message, type Offset } from '../model/message.ts'
import type { Bus } from './bus.ts'
import { digestOf } from './digest.ts'
import type { Lifetime } from './lifetime.ts'
import type { Order } from './order.ts'
import type { LogRecord } from './record.ts'
import type { State } from './state.ts'
import type { Applied, Page, PageLimit, Range, Store, Summary } from './store.ts'

/** The result of `append`. */
export interface Appended {
  /** Offset of the message; for a duplicate, the offset of the first message. */
  readonly offset: Offset
  /** Whether the key was used before for the same draft. Then no message was appended. */
  readonly duplicate: boolean
  /**
   * Whether the log holds the message, as durably as the engine can make it. False for `keep: false`, and while the log
   * cannot be written.
   */
  readonly stored: boolean
}

/** Receives every appended message, once, in the order of the offsets. Must not throw. */
export type MessageHandler = (message: Message) => void
/** Learns that the records above an offset, up to another, are lost: a gap for every address. Must not throw. */
export type HoleHandler = (after: Offset, upTo: Offset) => void

/** The four ports of an engine, its clock and its lifetime. */
export interface EngineParts {
  readonly order: Order
  readonly store: Store
  readonly state: State
  readonly bus: Bus
  readonly lifetime: Lifetime
  /** The time in ms since the epoch. */
  readonly now: () => number
}

/**
 * The log, the state beside the log, and the questions between nodes: one class, composed of four ports. The order
 * decides the offsets, the store of each node applies the records, and every read is local.
 *
 * Promises of every composition, checked by `test/engine-suite/`:
 * - Offsets rise strictly, stay below 2^53 and are never reused, also across restarts and crashes.
 * - The follower of a node receives each message exactly once, in rising offset order, on the appending node too,
 *   before `append` resolves there.
 * - `append` resolves when the message is as durable as the engine can make it. The same key for the same draft within
 *   the idempotency window resolves to the first offset with `duplicate: true` and appends no message; the same key for
 *   another draft rejects with HUB_KEY_REUSED.
 * - Reads include every message that the follower has received. An offset other than 0 from before the beginning of
 *   this log is a gap: the log that the offset belongs to has been lost.
 * - After `close`, every method that returns a promise rejects with HUB_DRAINING.
 */
export class Engine {
  readonly state: State
  readonly bus: Bus
  /** Resolves when the store of this node has all records of the log so far. */
  readonly ready: Promise<void>
  readonly #order: Order
  readonly #store: Store
  readonly #lifetime: Lifetime
  readonly #now: () => number
  #onMessage: MessageHandler = () => {}
  #onHole: HoleHandler = () => {}
  #closing: Promise<void> | null = null

  /** Composes an engine, which follows the order from now on. */
  constructor ({ order, store, state, bus, lifetime, now }: EngineParts) {
    this.#order = order
    this.#store = store
    this.state = state
    this.bus = bus
    this.#lifetime = lifetime
    this.#now = now
    this.ready = order.follow(store.head, {
      apply: (record, offset) => this.#apply(record, offset),
      hole: (upTo) => this.#noteHole(upTo)
    })
  }

  /** One sentence on why the engine cannot store right now; null while the engine works. */
  get problem (): string | null {
    return this.#order.problem ?? this.#store.problem
  }

  /** Offset of the last record; before the first record, the offset at which the log began. */
  get head (): Offset {
    return this.#store.head
  }

  /**
   * Appends a message and hands it to the follower of each node.
   *
   * @throws {HubError} HUB_KEY_REUSED for a key that was used for another draft; HUB_ADDRESS_INVALID for an id of more
   *   than 256 characters; HUB_REQUEST_INVALID for a key of more than 4096 characters; HUB_STORE_FAILED when the
   *   message could not be ordered; HUB_DRAINING after `close`.
   */
  async append (draft: Draft): Promise<Appended> {
    assertStorable(draft)
    const applied = await this.#propose(toRecord(draft, this.#now()))
    if (applied.kind === 'appended') {
      return { offset: applied.message.offset, duplicate: false, stored: await applied.stored }
    }
    if (applied.kind === 'duplicate') {
      return { offset: applied.offset, duplicate: true, stored: await applied.stored }
    }
    throw keyReused()
  }

  /** Reads one page. A reader whose offset is from before the beginning of this log gets a gap. */
  async read (ranges: readonly Range[], limit: PageLimit): Promise<Page> {
    this.#lifetime.assertOpen()
    const page = await this.#store.read(ranges, limit)
    const lostUpTo = this.#lostUpTo(ranges)
    return lostUpTo > page.gapUpTo ? { ...page, gapUpTo: lostUpTo } : page
  }

  /** Finds a message by its offset; undefined when the log does not hold the message. */
  async find (offset: Offset): Promise<Message | undefined> {
    this.#lifetime.assertOpen()
    return this.#store.find(offset)
  }

  /** Counts the messages of a range. */
  async summary (range: Range): Promise<Summary> {
    this.#lifetime.assertOpen()
    return this.#store.summary(range)
  }

  /** Removes the messages of an address, and returns their number. Purged messages do not count as evicted. */
  async purge (address: Address): Promise<number> {
    const applied = await this.#propose({ kind: 'purge', address, at: this.#now() })
    return applied.kind === 'purged' ? applied.count : 0
  }

  /** Hands every message and hole to the handlers from now on. Called once: there is one hub for each engine. */
  follow (onMessage: MessageHandler, onHole: HoleHandler = () => {}): void {
    this.#onMessage = onMessage
    this.#onHole = onHole
  }

  /** Completes the pending work, and releases all resources. May be called twice. */
  close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    this.#lifetime.end()
    await this.#order.close()
    await this.state.close()
    await this.#store.close()
  }

  #propose (record: LogRecord): Applied | Promise<Applied> {
    this.#lifetime.assertOpen()
    return this.#order.propose(record)
  }

  #apply (record: LogRecord, offset: Offset): Applied {
    const applied = this.#store.apply(record, offset)
    if (applied.kind === 'appended') this.#onMessage(applied.message)
    return applied
  }

  #noteHole (upTo: Offset): void {
    const { head } = this
    this.#store.noteHole(upTo)
    this.#onHole(head, upTo)
  }

  /** The greatest offset that belongs to an earlier log and that a reader of these ranges asks for; 0 without one. */
  #lostUpTo (ranges: readonly Range[]): Offset {
    const { origin } = this.#order
    let lostUpTo = 0
    for (const { after, upTo = Infinity } of ranges) {
      if (after > 0 && after < origin) lostUpTo = Math.max(lostUpTo, Math.min(origin, upTo))
    }
    return lostUpTo
  }
}

/** Characters of an idempotency key at most: the hub writes the address and the publisher's key into it, as JSON. */
const MAX_KEY_LENGTH = 4096

/** Ids and keys have a bound, so that a name in a store and a subject of a broker have one as well. */
function assertStorable ({ address, key = '' }: Draft): void {
  if (key.length > MAX_KEY_LENGTH) {
    const sentence = `An idempotency key has at most ${MAX_KEY_LENGTH} characters; this one has ${key.length}.`
    throw new HubError('HUB_REQUEST_INVALID', sentence)
  }
  for (const id of Object.values(address)) {
    if (typeof id === 'string' && id.length > MAX_ID_LENGTH) {
      const sentence = `An id has 1 to ${MAX_ID_LENGTH} characters; this one has ${id.length}.`
      throw new HubError('HUB_ADDRESS_INVALID', sentence)
    }
  }
}

function keyReused (): HubError {
  const sentence = 'This idempotency key was used for another message a short time ago, ' +
    'or for the same with other options; take a new key for each message.'
  return new HubError('HUB_KEY_REUSED', sentence)
}

function toRecord (draft: Draft, at: number): LogRecord {
  if (draft.key === undefined) return { kind: 'message', draft, at }
  return { kind: 'message', draft, at, digest: digestOf(draft) }
}
