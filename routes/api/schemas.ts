import { Type } from '@sinclair/typebox'
import { ClientQuery, GroupQuery } from '../../services/model/info.ts'
import { CLOSE, MAX_REASON_BYTES } from '../../services/model/close-codes.ts'
import { Id, SendOptions } from '../../services/model/message.ts'

const CLOSED = { additionalProperties: false }

/** Body of a request that publishes: a string is sent unchanged, any other value as its JSON. */
export const MessageBody = Type.Object({ message: Type.Unknown(), ...SendOptions.properties }, CLOSED)

/** Path parameter: the id of a user, a group or a client. */
export const IdParams = Type.Object({ id: Id }, CLOSED)

/** Path parameters: a group and a client. */
export const GroupClientParams = Type.Object({ id: Id, clientId: Id }, CLOSED)

/** Path parameters: a user and a group. */
export const UserGroupParams = Type.Object({ id: Id, group: Id }, CLOSED)

/** Path parameter: the offset of a message. */
export const OffsetParams = Type.Object({
  offset: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
}, CLOSED)

/** The token in a query. The schemas of queries ignore the token, because the token check has read the token before. */
const Token = { token: Type.Optional(Type.Unknown()), access_token: Type.Optional(Type.Unknown()) }

/** Query: a page of clients. */
export const PageQuery = Type.Object({ ...Type.Omit(ClientQuery, ['id', 'group']).properties, ...Token }, CLOSED)

/** Query: a page of groups. */
export const GroupPageQuery = Type.Object({ ...GroupQuery.properties, ...Token }, CLOSED)

/** Query: the close code and the reason of the Close frame. */
export const DisconnectQuery = Type.Object({
  code: Type.Optional(Type.Integer({
    default: CLOSE.disconnected.code,
    description: 'Close code: 1000 to 1014 where allowed, or 3000 to 4999'
  })),
  reason: Type.Optional(Type.String({ maxLength: MAX_REASON_BYTES, description: 'Reason in the Close frame' })),
  ...Token
}, CLOSED)

/** Response: the number of connections that were closed. */
export const Disconnected = Type.Object({ disconnected: Type.Integer() })

/** Response: whether the client or the user is a member of the group after the request. */
export const Membership = Type.Object({ group: Type.String(), member: Type.Boolean() })

/** Response: the number of messages that were removed. */
export const Purged = Type.Object({ purged: Type.Integer() })

/**
 * Response: an error, in Fastify's own form with a stable code. Further fields can come from hooks of the application.
 */
export const ErrorResponse = Type.Object({
  statusCode: Type.Integer(),
  code: Type.String({ description: 'Stable code, such as HUB_FORBIDDEN' }),
  error: Type.String({ description: 'Name of the HTTP status' }),
  message: Type.String({ description: 'Cause and remedy in a sentence' })
}, { additionalProperties: true })

/** The error responses of every route. */
export const ERROR_RESPONSES = { '4xx': ErrorResponse, '5xx': ErrorResponse }
