import { Type, type Static } from '@sinclair/typebox'
import { Id } from './message.ts'

/** Clients per page when nobody says how many. */
export const DEFAULT_PAGE = 100

/** One live connection as operators see it. */
export const ClientInfo = Type.Object({
  id: Type.String({ description: 'Later connections have greater ids' }),
  user: Type.String(),
  roles: Type.Array(Type.String()),
  protocol: Type.String(),
  address: Type.String({ description: 'Network address of the peer' }),
  openedAt: Type.String({ description: 'ISO 8601' }),
  received: Type.Integer({ description: 'Messages that came from it' }),
  delivered: Type.Integer({ description: 'Frames handed to its connection' }),
  dropped: Type.Integer({ description: 'Frames it lost because it was over its limit' }),
  behind: Type.Boolean({ description: 'Whether something waits for it right now' })
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

/** Which clients to list: one, those of a user, or all; only those with ids above `after`, the `next` of the page before. */
export const ClientQuery = Type.Object({
  id: Type.Optional(Id),
  user: Type.Optional(Id),
  after: Type.Optional(Id),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: DEFAULT_PAGE, description: 'Clients per page' }))
}, { additionalProperties: false })
export type ClientQuery = Static<typeof ClientQuery>
