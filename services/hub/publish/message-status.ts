import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { MessageStatus, UserMessageStatus } from '../../model/info.ts'
import type { Engine } from '../../engine/engine.ts'
import { HubError } from '../../model/errors.ts'
import { Address, type Draft, type Message, type Offset, type UserId } from '../../model/message.ts'
import type { InboxCursors } from '../store/inbox-cursors.ts'
import { expiredMessageKey } from '../store/keys.ts'

/** What is still known of a message with a ttl when the log has forgotten it. */
const ExpiredMessage = Type.Object({ address: Address, except: Type.Array(Type.String()), until: Type.Number() })
type ExpiredMessage = Static<typeof ExpiredMessage>
const endings = TypeCompiler.Compile(ExpiredMessage)

/** It is remembered for so long after its end: a day. */
const REMEMBER_MS = 24 * 3_600_000
/** Users that are listed at most. */
const MAX_USERS = 1000

/** Remembers for a day beyond its end that a message with a ttl was there; without a ttl it does nothing. Nobody waits for it. */
export function recordExpiry ({ state }: Engine, offset: Offset, { address, except = [], ttl }: Draft, saidAt: number): void {
  if (ttl === undefined) return
  const ending: ExpiredMessage = { address, except: [...except], until: saidAt + ttl * 1000 }
  state.update(expiredMessageKey(offset), () => ending, ttl * 1000 + REMEMBER_MS).catch(() => {}) // Then it is forgotten with its message.
}

/** What became of a message, as long as the log has it, and for a day after its end. Rejects with HUB_MESSAGE_NOT_FOUND afterwards. */
export async function messageStatusOf (offset: Offset, { engine, inboxes, now }: { engine: Engine, inboxes: InboxCursors, now: number }): Promise<MessageStatus> {
  const { address, except = [], isOver } = await find(offset, engine, now)
  const users = new Map<UserId, UserMessageStatus>()
  if ('user' in address) users.set(address.user, 'stored')

  const { answers } = await engine.ask('progress', { address, offset, except })
  for (const { user, isSent, isAcknowledged } of answers.flatMap((answer) => answer.users)) {
    users.set(user, furthest(users.get(user) ?? 'stored', isAcknowledged ? 'acknowledged' : isSent ? 'sent' : 'stored'))
  }
  if ('user' in address && await inboxes.hasAcknowledged(address.user, offset)) users.set(address.user, 'acknowledged')
  return {
    offset,
    address,
    // An offset is the time of its message in microseconds.
    at: new Date(Math.floor(offset / 1000)).toISOString(),
    total: users.size,
    users: [...users].slice(0, MAX_USERS).map(([user, status]) => ({ user, status: isOver && status === 'stored' ? 'expired' : status }))
  }
}

/** To whom a message is, and whether its time is over. */
async function find (offset: Offset, engine: Engine, now: number): Promise<Pick<Message, 'address' | 'except'> & { readonly isOver: boolean }> {
  const message = await engine.find(offset)
  if (message !== undefined) return { ...message, isOver: false }
  const ending = await engine.state.get(expiredMessageKey(offset))
  if (endings.Check(ending) && ending.until <= now) return { ...ending, isOver: true }
  throw new HubError('HUB_MESSAGE_NOT_FOUND', 'The log has no message at this offset: it has left the log, or never was in it.')
}

const STEPS: readonly UserMessageStatus[] = ['stored', 'sent', 'acknowledged']

function furthest (a: UserMessageStatus, b: UserMessageStatus): UserMessageStatus {
  return STEPS.indexOf(a) > STEPS.indexOf(b) ? a : b
}
