import { Type, type Static } from '@sinclair/typebox'
import { CursorScope } from './durable-cursor.ts'
import { Address, Id } from './message.ts'
import type { WithUndefined } from './optional.ts'

/** Entries per page of a list when the query has no `limit`. */
export const DEFAULT_PAGE = 100

/** Groups of each client in a list of clients, at most. */
export const MAX_LISTED_GROUPS = 20

const next = Type.Union([Type.String(), Type.Null()], {
  description: 'Pass it as `after` for the next page; null on the last'
})

/** The `limit` of a paged list of clients or groups. */
function limitOf (entries: string) {
  const description = `${entries} per page`
  return Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: DEFAULT_PAGE, description }))
}

/**
 * One live connection, as `hub.clients()` and `GET /clients` report it to operators:
 *
 * - `id`: id of the client; later connections have greater ids.
 * - `user`, `roles`: from the token. `groups`: the groups of which the client is a member now, in a list of clients at
 *   most 20; all with `id`. `groupCount`: the number of its groups.
 * - `device`: name of the device; empty without one. `protocol`: name of the protocol, for example `raw` or `sse`.
 * - `address`: network address of the peer. `openedAt`: when the connection was opened, ISO 8601.
 * - `received`: messages from the client. `delivered`: frames handed to the connection.
 * - `dropped`: frames dropped because the client was over its limit.
 * - `behind`: whether data for the client is queued right now, in memory or in the log.
 */
export const ClientInfo = Type.Object({
  id: Type.String({ description: 'Client id; later connections have greater ids' }),
  user: Type.String(),
  roles: Type.Array(Type.String()),
  groups: Type.Array(Type.String(), { description: `In a list of clients at most ${MAX_LISTED_GROUPS} of them` }),
  groupCount: Type.Integer({ description: 'Groups of the client' }),
  device: Type.String({ description: 'Name of the device; empty without one' }),
  protocol: Type.String(),
  address: Type.String({ description: 'Network address of the peer' }),
  openedAt: Type.String({ description: 'When the connection was opened; ISO 8601' }),
  received: Type.Integer({ description: 'Messages received from the client' }),
  delivered: Type.Integer({ description: 'Frames handed to the connection' }),
  dropped: Type.Integer({ description: 'Frames dropped because the client was over its limit' }),
  behind: Type.Boolean({ description: 'Whether data for the client is queued right now, in memory or in the log' })
})
export type ClientInfo = Static<typeof ClientInfo>

/**
 * One page of clients in the order of their ids, oldest connection first:
 *
 * - `clients`: the connections of this page.
 * - `total`: connections that match the query, on all pages.
 * - `dropped`: frames dropped for slow clients since the service started, closed connections included.
 * - `next`: the `after` of the next page; null on the last page.
 */
export const ClientPage = Type.Object({
  total: Type.Integer({ description: 'Connections that match the query, on all pages' }),
  dropped: Type.Integer({
    description: 'Frames dropped for slow clients since the service started, closed connections included'
  }),
  clients: Type.Array(ClientInfo),
  next
})
export type ClientPage = Static<typeof ClientPage>

/**
 * Selects the clients to list: one by `id`, the connections of a `user` or a `group`, or all; with `after`, the `next`
 * of the page before, only clients with greater ids. `limit`: clients per page, 1 to 1000, by default 100.
 */
export const ClientQuery = Type.Object({
  id: Type.Optional(Id),
  user: Type.Optional(Id),
  group: Type.Optional(Id),
  after: Type.Optional(Id),
  limit: limitOf('Clients')
}, { additionalProperties: false })
export type ClientQuery = WithUndefined<Static<typeof ClientQuery>>

/** A group that has at least one connected member. `clients`: connections that are members. */
export const GroupInfo = Type.Object({
  group: Type.String(),
  clients: Type.Integer({ description: 'Connections that are members' })
})
export type GroupInfo = Static<typeof GroupInfo>

/** One page of groups, in the order of their names. `next`: the `after` of the next page; null on the last page. */
export const GroupPage = Type.Object({
  groups: Type.Array(GroupInfo),
  next
})
export type GroupPage = Static<typeof GroupPage>

/**
 * Selects the groups to list: with `after`, the `next` of the page before, only groups with greater names.
 * `limit`: groups per page, 1 to 1000, by default 100.
 */
export const GroupQuery = Type.Object({
  after: Type.Optional(Id),
  limit: limitOf('Groups')
}, { additionalProperties: false })
export type GroupQuery = WithUndefined<Static<typeof GroupQuery>>

/**
 * The unacknowledged messages of a user, and how far each device of the user has acknowledged:
 *
 * - `count`: messages that the user has not acknowledged. `oldest`: offset of the first of these; null without one.
 * - `dropped`: messages that left the log before the user acknowledged them: too old, too many, or past their ttl.
 * - `cursors`: for each durable cursor the `device` (empty for all devices without a name) and the `scope`, the offset
 *   up to which every message is `acknowledged`, and `at` when, ISO 8601.
 */
export const InboxInfo = Type.Object({
  user: Type.String(),
  count: Type.Integer({ description: 'Messages that the user has not acknowledged' }),
  oldest: Type.Union([Type.Integer(), Type.Null()], {
    description: 'Offset of the oldest unacknowledged message; null without one'
  }),
  dropped: Type.Integer({
    description: 'Messages that left the log before the user acknowledged them: too old, too many, or past their ttl'
  }),
  cursors: Type.Array(Type.Object({
    device: Type.String({ description: 'Name of the device; empty for all devices without a name' }),
    scope: CursorScope,
    acknowledged: Type.Integer({ description: 'Every message up to this offset is acknowledged' }),
    at: Type.String({ description: 'When the last message was acknowledged; ISO 8601' })
  }))
})
export type InboxInfo = Static<typeof InboxInfo>

/**
 * The status of a message for one user: `stored` in the log, `sent` to a connection of the user, `acknowledged` by the
 * user, `skipped` because a device of the user could not read it, or `expired`: its ttl is over and it was not sent.
 */
export const UserMessageStatus = Type.Union([
  Type.Literal('stored'), Type.Literal('sent'), Type.Literal('acknowledged'), Type.Literal('expired'),
  Type.Literal('skipped')
])
export type UserMessageStatus = Static<typeof UserMessageStatus>

/**
 * The status of a message, user by user: the result of `hub.messageStatus(offset)`.
 *
 * - `offset`, `address`: position and address of the message. `at`: when it was published, ISO 8601.
 * - `total`: users that the message is for, as far as known.
 * - `users`: the status for each of the first 1000: the addressed user; for a message to everyone or to a group, the
 *   users who are connected now and were when it was published.
 */
export const MessageStatus = Type.Object({
  offset: Type.Integer(),
  address: Address,
  at: Type.String({ description: 'When the message was published; ISO 8601' }),
  total: Type.Integer({ description: 'Users that the message is for, as far as known' }),
  users: Type.Array(Type.Object({ user: Type.String(), status: UserMessageStatus }), {
    description: 'The addressed user; for a message to everyone or to a group, the users who are connected now and were ' +
      'when it was published; the first 1000'
  })
})
export type MessageStatus = Static<typeof MessageStatus>
