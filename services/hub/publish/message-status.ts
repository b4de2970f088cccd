import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Engine } from '../../engine/engine.ts'
import type { Clock } from '../../lib/clock.ts'
import { HubError } from '../../model/errors.ts'
import type { MessageStatus, UserMessageStatus } from '../../model/info.ts'
import { Address, type ClientId, type Draft, type Message, type Offset, type UserId } from '../../model/message.ts'
import type { DurableCursors } from '../store/durable-cursors.ts'
import { expiredMessageKey } from '../store/keys.ts'

/**
 * Record of a message with a ttl. The record outlives the message in the log. `at` is the time of publishing, `until`
 * the expiry, both in ms since the epoch.
 */
const ExpiredMessage = Type.Object({
  address: Address,
  except: Type.Array(Type.String()),
  at: Type.Optional(Type.Number()),
  until: Type.Number()
})
type ExpiredMessage = Static<typeof ExpiredMessage>
const expiredMessageCheck = TypeCompiler.Compile(ExpiredMessage)
const isExpiredMessage = (value: unknown): value is ExpiredMessage => expiredMessageCheck.Check(value)

/** Time for which the status of a message stays readable after the expiry: a day. */
const REMEMBER_MS = 24 * 3_600_000
/** Most users in a message status. */
const MAX_USERS = 1000

/** The message at an offset, as far as the status needs it. */
interface StatusSubject extends Pick<Message, 'address' | 'except' | 'at'> {
  readonly isExpired: boolean
}

/** Asks for the progress of each user at an address with the message at an offset. */
export interface ProgressQuery {
  readonly address: Address
  readonly offset: Offset
  readonly except: readonly ClientId[]
}

/** Progress of one user with a message, over the user's connections. */
export interface UserProgress {
  readonly user: UserId
  /** Whether a connection of the user has received the message. */
  readonly isSent: boolean
  /** Whether a connection of the user has acknowledged the message. */
  readonly isAcknowledged: boolean
}

/** Reads the progress of connected users on all nodes. */
export interface ProgressReader {
  progress (query: ProgressQuery): Promise<UserProgress[]>
}

/** How old a message in the log may become: a message to a user, and every other message. */
export interface MaxAges {
  readonly inboxMs: number
  readonly logMs: number
}

/** The status of messages, while the log has the message and for a day after the expiry. */
export class MessageStatuses {
  readonly #engine: Engine
  readonly #durableCursors: DurableCursors
  readonly #cluster: ProgressReader
  readonly #maxAges: MaxAges
  readonly #clock: Clock

  constructor (
    engine: Engine, durableCursors: DurableCursors, cluster: ProgressReader, maxAges: MaxAges, clock: Clock
  ) {
    this.#engine = engine
    this.#durableCursors = durableCursors
    this.#cluster = cluster
    this.#maxAges = maxAges
    this.#clock = clock
  }

  /**
   * Records the expiry of a message with a ttl, so that the status is readable for a day after the expiry. A message
   * that leaves the log by its age before it expires needs no record. The write is not awaited; after a failed write
   * the status ends with the message itself.
   *
   * @param ttl In seconds.
   * @param publishedAt Time of publishing, in ms since the epoch.
   */
  recordExpiry (offset: Offset, { address, except = [] }: Draft, ttl: number, publishedAt: number): void {
    if (ttl * 1000 > ('user' in address ? this.#maxAges.inboxMs : this.#maxAges.logMs)) return
    const expired: ExpiredMessage = { address, except: [...except], at: publishedAt, until: publishedAt + ttl * 1000 }
    const life = ttl * 1000 + REMEMBER_MS
    this.#engine.state.update(expiredMessageKey(offset), () => expired, life).catch(() => {})
  }

  /**
   * Reads the status of a message for each user.
   *
   * @throws {HubError} HUB_MESSAGE_NOT_FOUND when the log has no message at the offset.
   * @throws {HubError} HUB_STORE_FAILED when the log cannot be read.
   */
  async of (offset: Offset): Promise<MessageStatus> {
    const { address, except = [], at, isExpired } = await this.#find(offset)
    const users = new Map<UserId, UserMessageStatus>()
    if ('user' in address) users.set(address.user, 'stored')
    for (const { user, isSent, isAcknowledged } of await this.#cluster.progress({ address, offset, except })) {
      users.set(user, isAcknowledged ? 'acknowledged' : isSent ? 'sent' : 'stored')
    }
    const outcome = 'user' in address ? await this.#durableCursors.outcome(address.user, offset) : null
    if ('user' in address && outcome !== null) users.set(address.user, outcome)
    return {
      offset,
      address,
      at: new Date(at).toISOString(),
      total: users.size,
      users: [...users].slice(0, MAX_USERS).map(([user, status]) => ({
        user,
        status: isExpired && status === 'stored' ? 'expired' : status
      }))
    }
  }

  async #find (offset: Offset): Promise<StatusSubject> {
    const message = await this.#engine.find(offset)
    if (message !== undefined) return { ...message, isExpired: false }
    const expired = await this.#engine.state.get(expiredMessageKey(offset))
    if (isExpiredMessage(expired) && expired.until <= this.#clock.wall()) {
      // A record of version 0.1 has no `at`; the offsets of that version are times in µs.
      const { at = Math.floor(offset / 1000) } = expired
      return { ...expired, at, isExpired: true }
    }
    throw new HubError('HUB_MESSAGE_NOT_FOUND', 'The log has no message at this offset: it has left the log, or never was in it.')
  }
}
