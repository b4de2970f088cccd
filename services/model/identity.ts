import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { Id } from './message.ts'
import type { WithUndefined } from './optional.ts'

/** Groups that a client can be in, and that a user can have for all connections, at most. */
export const MAX_GROUPS = 1000

/** Role that the REST API and the console require. */
export const ADMIN_ROLE = 'admin'

/**
 * The identity of a client or caller, from the token or from the application's `authenticate`:
 *
 * - `user`: id of the user, 1 to 256 characters. All connections with this id are devices of one user.
 * - `roles`: names of roles; `admin` may use the REST API and the console.
 * - `groups`: groups that the client joins when it connects, at most 1000; none by default.
 * - `issuedAt`: when the token was issued, in ms since the epoch. A connection that continues at an offset which the
 *   client states receives no message to these groups from before. Without it, the offset alone decides.
 * - `expiresAt`: when the token expires, in ms since the epoch. The hub then closes the connection. Without it, the
 *   connection has no time limit.
 *
 * An application may add fields of its own; the hub passes them through.
 */
export const Identity = Type.Object({
  user: Id,
  roles: Type.Array(Type.String(), { description: `"${ADMIN_ROLE}" may use the REST API and the console` }),
  groups: Type.Optional(Type.Array(Id, { description: 'Groups to join on connecting', maxItems: MAX_GROUPS })),
  issuedAt: Type.Optional(Type.Number({ description: 'When the token was issued, in ms since the epoch' })),
  expiresAt: Type.Optional(Type.Number({
    description: 'When the token expires, in ms since the epoch; without it the connection may stay for ever'
  }))
})
export type Identity = WithUndefined<Static<typeof Identity>>

const identityCheck = TypeCompiler.Compile(Identity)
const isIdentity = (value: unknown): value is Identity => identityCheck.Check(value)

/**
 * Asserts that the result of an application's `authenticate` is an identity.
 *
 * @throws {TypeError} With the path of the first field that has the wrong shape: a mistake in the application.
 */
export function assertIdentity (value: unknown): asserts value is Identity {
  if (isIdentity(value)) return
  const { path = '', message = 'unknown' } = identityCheck.Errors(value).First() ?? {}
  const rule = 'authenticate() must return { user, roles } or null'
  throw new TypeError(`${rule}; its result is invalid at "${path}": ${message}.`)
}
