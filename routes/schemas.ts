import { Type } from '@sinclair/typebox'
import { SendOptions } from '../services/message.ts'

const CLOSED = { additionalProperties: false }

/** What is to be said: a string goes out as it is, any other JSON value as its JSON. */
export const MessageBody = Type.Object({ message: Type.Unknown(), ...SendOptions.properties }, CLOSED)

/** A user, a group or a client in a path. */
export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 256 }) }, CLOSED)

/** Which page of the clients. */
export const ClientQuery = Type.Object({
  user: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'Only connections of this user' })),
  after: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: '`next` of the page before' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 }))
}, CLOSED)

/** How to say goodbye. */
export const DisconnectQuery = Type.Object({
  code: Type.Optional(Type.Integer({ default: 4000, description: 'Close code: 1000 to 1014 where allowed, or 3000 to 4999' })),
  reason: Type.Optional(Type.String({ maxLength: 123, description: 'Reason in the Close frame' }))
}, CLOSED)

/** How many connections were closed. */
export const Disconnected = Type.Object({ disconnected: Type.Integer() })
