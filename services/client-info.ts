import { Type, type Static } from '@sinclair/typebox'

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
  clients: Type.Array(ClientInfo),
  next: Type.Union([Type.String(), Type.Null()], { description: 'Pass it as `after` for the next page; null on the last' })
})
export type ClientPage = Static<typeof ClientPage>

const Id = Type.String({ minLength: 1, maxLength: 256 })

/** Which clients to list. */
export const ClientQuery = Type.Object({
  id: Type.Optional(Id),
  user: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'Only connections of this user' })),
  after: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: '`next` of the page before' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Clients per page' }))
}, { additionalProperties: false })
export type ClientQuery = Static<typeof ClientQuery>
