import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Engine } from '../../engine/engine.ts'
import type { Clock } from '../../lib/clock.ts'
import { HubError } from '../../model/errors.ts'
import type { MessageStatus, UserMessageStatus } from '../../model/info.ts'
import { Address, type Draft, type Message, type Offset, type UserId } from '../../model/message.ts'
import type { DurableCursors } from '../store/durable-cursors.ts'
import { expiredMessageKey } from '../store/keys.ts'

/**
 * Record of a message with a ttl. The record outlives the message in the log; `until` is the expiry in ms since the
 * epoch.
 */
const ExpiredMessage = Type.Object({ address: Address, except: Type.Array(Type.String()), until: Type.Number() })
type ExpiredMessage = Static<typeof ExpiredMessage>
const expiredMessageCheck = TypeCompiler.Compile(ExpiredMessage)
const isExpiredMessage = (value: unknown): value is ExpiredMessage => expiredMessageCheck.Check(value)

/** Time for which the status of a message stays readable after the expiry: a day. */
const REMEMBER_MS = 24 * 3_600_000
/** Most users in a message status. */
const MAX_USERS = 1000

/** The message at an offset, as far as the status needs it. */
interface StatusSubject extends Pick<Message, 'address' | 'except'> {
  readonly isExpired: boolean
}

/**
 * Records the expiry of a message with a ttl, so that `messageStatusOf` works for a day after the expiry. Without a ttl
 * there is no record. The write is not awaited; after a failed write the status ends with the message itself.
 *
 * @param publishedAt Time of publishing, in ms since the epoch.
 */
export function recordExpiry ({ state }: Engine, offset: Offset, draft: Draft, publishedAt: number): void {
  const { address, except = [], ttl } = draft
  if (ttl === undefined) return
  const expired: ExpiredMessage = { address, except: [...except], until: publishedAt + ttl * 1000 }
  state.update(expiredMessageKey(offset), () => expired, ttl * 1000 + REMEMBER_MS).catch(() => {})
}

/**
 * The status of a message for each user, while the log has the message and for a day after the expiry.
 *
 * @throws {HubError} HUB_MESSAGE_NOT_FOUND when the log has no message at the offset.
 */
export async function messageStatusOf (
  offset: Offset,
  engine: Engine,
  durableCursors: DurableCursors,
  clock: Clock
): Promise<MessageStatus> {
  const { address, except = [], isExpired } = await find(offset, engine, clock.wall())
  const users = new Map<UserId, UserMessageStatus>()
  if ('user' in address) users.set(address.user, 'stored')

  const { answers } = await engine.ask('progress', { address, offset, except })
  for (const { user, isSent, isAcknowledged } of answers.flatMap((answer) => answer.users)) {
    users.set(user, furthest(users.get(user) ?? 'stored', isAcknowledged ? 'acknowledged' : isSent ? 'sent' : 'stored'))
  }
  if ('user' in address && await durableCursors.hasAcknowledged(address.user, offset)) {
    users.set(address.user, 'acknowledged')
  }
  return {
    offset,
    address,
    // An offset is the time of publishing in microseconds since the epoch.
    at: new Date(Math.floor(offset / 1000)).toISOString(),
    total: users.size,
    users: [...users].slice(0, MAX_USERS).map(([user, status]) => ({
      user,
      status: isExpired && status === 'stored' ? 'expired' : status
    }))
  }
}

async function find (offset: Offset, engine: Engine, nowMs: number): Promise<StatusSubject> {
  const message = await engine.find(offset)
  if (message !== undefined) return { ...message, isExpired: false }
  const expired = await engine.state.get(expiredMessageKey(offset))
  if (isExpiredMessage(expired) && expired.until <= nowMs) return { ...expired, isExpired: true }
  throw new HubError('HUB_MESSAGE_NOT_FOUND', 'The log has no message at this offset: it has left the log, or never was in it.')
}

/** Statuses of a message in the log, in the order in which a user passes through. */
const STEPS: readonly UserMessageStatus[] = ['stored', 'sent', 'acknowledged']

function furthest (a: UserMessageStatus, b: UserMessageStatus): UserMessageStatus {
  return STEPS.indexOf(a) > STEPS.indexOf(b) ? a : b
}
