import type { ClientId, Offset, UserId } from '../../model/message.ts'

/** Where things lie in the engine's state. An id may hold any character, a key separates its parts by slashes. */
const part = (id: string): string => id.replace(/[%/]/g, encodeURIComponent)

/** How far the connections of a user that share this name have acknowledged the inbox; '' for those without a name. */
export const inboxKey = (user: UserId, device: string): string => device === EVERYTHING ? `${EVERYTHING_PREFIX}${part(user)}` : `${inboxPrefix(user)}${part(device)}`
export const inboxPrefix = (user: UserId): string => `inbox/${part(user)}/`
/** The device in an inbox key. */
export const deviceOfKey = (key: string): string => decodeURIComponent(key.slice(key.lastIndexOf('/') + 1))
/** The device of those who read a mailbox: a name that no client can give itself. Its places stand together, to be counted. */
export const EVERYTHING = '(mailbox)'
export const EVERYTHING_PREFIX = 'mailbox/'
/** The groups that every connection of a user joins. */
export const groupsKey = (user: UserId): string => `groups/${part(user)}`
/** A connection that may be resumed. */
export const sessionKey = (client: ClientId): string => `session/${part(client)}`
/** To whom a message was that is handed out for some time only. */
export const expiredMessageKey = (offset: Offset): string => `ending/${offset}`
/** What a message with an idempotency key was answered with. */
export const receiptKey = (offset: Offset): string => `receipt/${offset}`
