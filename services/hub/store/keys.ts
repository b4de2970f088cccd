import type { StateKey } from '../../engine/state.ts'
import type { DurableCursor } from '../../model/durable-cursor.ts'
import type { ClientId, Offset, UserId } from '../../model/message.ts'

// Keys of the hub in the engine's state. The parts are on disk: a change of a key loses the stored value.

/** Parent of the inbox cursors of a user. */
export const inboxCursorsOf = (user: UserId): StateKey => ['inbox', user]
/** Parent of all cursors with the scope `everything`: one for all users, so that the hub can count the cursors. */
export const EVERYTHING_CURSORS: StateKey = ['mailbox']
/** Key of a durable cursor. A user has one cursor with the scope `everything`, so that key has no name. */
export const cursorKey = ({ user, name, scope }: DurableCursor): StateKey =>
  scope === 'everything' ? [...EVERYTHING_CURSORS, user] : [...inboxCursorsOf(user), name]
/** Key of the groups that every connection of a user joins. */
export const groupsKey = (user: UserId): StateKey => ['groups', user]
/** Key of the session of a resumable connection: its owner and its position. */
export const sessionKey = (client: ClientId): StateKey => ['session', client]
/** Key of the groups of a resumable connection. */
export const sessionGroupsKey = (client: ClientId): StateKey => ['session-groups', client]
/** Key of the last disconnection of a user. */
export const disconnectionKey = (user: UserId): StateKey => ['disconnection', 'user', user]
/** Key of the last disconnection of everyone. */
export const DISCONNECTION_OF_ALL: StateKey = ['disconnection', 'all']
/** Key of the record of a message with a ttl, kept beyond the message's own life for `messageStatus`. */
export const expiredMessageKey = (offset: Offset): StateKey => ['ending', String(offset)]
/** Key of the receipt of a message with an idempotency key. */
export const receiptKey = (offset: Offset): StateKey => ['receipt', String(offset)]
