import { Type } from '@sinclair/typebox'
import { ClientQuery, GroupQuery } from '../../services/model/info.ts'
import { CLOSE, MAX_REASON_BYTES } from '../../services/model/close-codes.ts'
import { Id, SendOptions } from '../../services/model/message.ts'

const CLOSED = { additionalProperties: false }

/** What is to be said: a string goes out as it is, any other JSON value as its JSON. */
export const MessageBody = Type.Object({ message: Type.Unknown(), ...SendOptions.properties }, CLOSED)

/** A user, a group or a client in a path. */
export const IdParams = Type.Object({ id: Id }, CLOSED)

/** A connection and a group in a path. */
export const GroupClientParams = Type.Object({ id: Id, clientId: Id }, CLOSED)

/** A user and a group in a path. */
export const UserGroupParams = Type.Object({ id: Id, group: Id }, CLOSED)

/** A message in a path. */
export const OffsetParams = Type.Object({ offset: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }, CLOSED)

/** A token may stand in any query; the token check has read it. */
const Token = { token: Type.Optional(Type.Unknown()), access_token: Type.Optional(Type.Unknown()) }

/** Which page of the clients. */
export const PageQuery = Type.Object({ ...Type.Omit(ClientQuery, ['id', 'group']).properties, ...Token }, CLOSED)

/** Which page of the groups. */
export const GroupPageQuery = Type.Object({ ...GroupQuery.properties, ...Token }, CLOSED)

/** How to say goodbye. */
export const DisconnectQuery = Type.Object({
  code: Type.Optional(Type.Integer({ default: CLOSE.disconnected.code, description: 'Close code: 1000 to 1014 where allowed, or 3000 to 4999' })),
  reason: Type.Optional(Type.String({ maxLength: MAX_REASON_BYTES, description: 'Reason in the Close frame' })),
  ...Token
}, CLOSED)

/** How many connections were closed. */
export const Disconnected = Type.Object({ disconnected: Type.Integer() })

/** Whether somebody is in a group now. */
export const Membership = Type.Object({ group: Type.String(), member: Type.Boolean() })

/** How many messages were removed. */
export const Purged = Type.Object({ purged: Type.Integer() })
