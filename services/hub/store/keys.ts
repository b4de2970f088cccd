import type { DurableCursor } from '../../model/durable-cursor.ts'
import type { ClientId, Offset, UserId } from '../../model/message.ts'

// Keys of the hub in the engine's state. These strings are on disk: a change of a key loses the stored value.

/** Escapes an id as one part of a key. Ids may hold any character; parts are separated by slashes. */
const part = (id: string): string => id.replace(/[%/]/g, encodeURIComponent)

/** Prefix of the inbox cursors of a user. */
export const inboxPrefix = (user: UserId): string => `inbox/${part(user)}/`
/** Prefix of all cursors with the scope `everything`: one for all users, so that the hub can count the cursors. */
export const EVERYTHING_PREFIX = 'mailbox/'
/** Key of a durable cursor. A user has one cursor with the scope `everything`, so that key has no name. */
export const cursorKey = ({ user, name, scope }: DurableCursor): string =>
  scope === 'everything' ? `${EVERYTHING_PREFIX}${part(user)}` : `${inboxPrefix(user)}${part(name)}`
/** The name in the key of an inbox cursor. */
export const nameOfKey = (key: string): string => decodeURIComponent(key.slice(key.lastIndexOf('/') + 1))
/** Key of the groups that every connection of a user joins. */
export const groupsKey = (user: UserId): string => `groups/${part(user)}`
/** Key of the session of a resumable connection. */
export const sessionKey = (client: ClientId): string => `session/${part(client)}`
/** Key of the record of a message with a ttl, kept beyond the message's own life for `messageStatus`. */
export const expiredMessageKey = (offset: Offset): string => `ending/${offset}`
/** Key of the receipt of a message with an idempotency key. */
export const receiptKey = (offset: Offset): string => `receipt/${offset}`
