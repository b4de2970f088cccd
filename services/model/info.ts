import { Type, type Static } from '@sinclair/typebox'
import { Address, Id } from './message.ts'

/** Clients per page when nobody says how many. */
export const DEFAULT_PAGE = 100

/** One live connection as operators see it. */
export const ClientInfo = Type.Object({
  id: Type.String({ description: 'Later connections have greater ids' }),
  user: Type.String(),
  roles: Type.Array(Type.String()),
  groups: Type.Array(Type.String()),
  protocol: Type.String(),
  address: Type.String({ description: 'Network address of the peer' }),
  openedAt: Type.String({ description: 'ISO 8601' }),
  received: Type.Integer({ description: 'Messages that came from it' }),
  delivered: Type.Integer({ description: 'Frames handed to its connection' }),
  dropped: Type.Integer({ description: 'Frames it lost because it was over its limit' }),
  behind: Type.Boolean({ description: 'Whether something waits for it right now, here or in the log' })
})
export type ClientInfo = Static<typeof ClientInfo>

/** One page of clients, in the order in which they came. */
export const ClientPage = Type.Object({
  total: Type.Integer({ description: 'Connections that match, whatever the page' }),
  dropped: Type.Integer({ description: 'Frames that slow clients have lost since the service started, those of clients that are gone included' }),
  clients: Type.Array(ClientInfo),
  next: Type.Union([Type.String(), Type.Null()], { description: 'Pass it as `after` for the next page; null on the last' })
})
export type ClientPage = Static<typeof ClientPage>

/** Which clients to list: one, those of a user or a group, or all; only those with ids above `after`, the `next` of the page before. */
export const ClientQuery = Type.Object({
  id: Type.Optional(Id),
  user: Type.Optional(Id),
  group: Type.Optional(Id),
  after: Type.Optional(Id),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: DEFAULT_PAGE, description: 'Clients per page' }))
}, { additionalProperties: false })
export type ClientQuery = Static<typeof ClientQuery>

/** A group that has members right now. */
export const GroupInfo = Type.Object({
  group: Type.String(),
  clients: Type.Integer({ description: 'Connections that are members' })
})
export type GroupInfo = Static<typeof GroupInfo>

/** One page of groups, in the order of their names. */
export const GroupPage = Type.Object({
  groups: Type.Array(GroupInfo),
  next: Type.Union([Type.String(), Type.Null()], { description: 'Pass it as `after` for the next page; null on the last' })
})
export type GroupPage = Static<typeof GroupPage>

/** What waits for a user. */
export const InboxInfo = Type.Object({
  user: Type.String(),
  count: Type.Integer({ description: 'Messages that the user has not acknowledged' }),
  oldest: Type.Union([Type.Integer(), Type.Null()], { description: 'Offset of the first of them' }),
  dropped: Type.Integer({ description: 'Messages that left the log before the user acknowledged them, because they were too old or too many, or their time was over' }),
  cursors: Type.Array(Type.Object({
    device: Type.String({ description: 'What the device calls itself; empty for all that have no name' }),
    acknowledged: Type.Integer({ description: 'It has everything up to this offset' }),
    at: Type.String({ description: 'When it said so; ISO 8601' })
  }))
})
export type InboxInfo = Static<typeof InboxInfo>

/** What became of a message for one user: it waits in the log, a connection of the user was given it, the user has acknowledged it, or its time is over. */
export const UserMessageStatus = Type.Union([Type.Literal('stored'), Type.Literal('sent'), Type.Literal('acknowledged'), Type.Literal('expired')])
export type UserMessageStatus = Static<typeof UserMessageStatus>

/** What became of a message. */
export const MessageStatus = Type.Object({
  offset: Type.Integer(),
  address: Address,
  at: Type.String({ description: 'When it was said; ISO 8601' }),
  total: Type.Integer({ description: 'Users it is for, as far as that is known' }),
  users: Type.Array(Type.Object({ user: Type.String(), status: UserMessageStatus }), { description: 'The user it is for; of a message to everyone or to a group, those who are connected and were there; the first 1000' })
})
export type MessageStatus = Static<typeof MessageStatus>

/** Which groups to list: only those with names above `after`, the `next` of the page before. */
export const GroupQuery = Type.Object({
  after: Type.Optional(Id),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: DEFAULT_PAGE, description: 'Groups per page' }))
}, { additionalProperties: false })
export type GroupQuery = Static<typeof GroupQuery>
