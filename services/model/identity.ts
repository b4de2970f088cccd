import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { Id } from './message.ts'

/** The role that the REST API and the console ask for. */
export const ADMIN_ROLE = 'admin'

/** Who a token stands for. An application may add fields of its own. */
export const Identity = Type.Object({
  user: Id,
  roles: Type.Array(Type.String(), { description: `"${ADMIN_ROLE}" may use the REST API and the console` }),
  groups: Type.Optional(Type.Array(Id, { description: 'Groups to join on connecting' })),
  expiresAt: Type.Optional(Type.Union([Type.Number(), Type.Undefined()], { description: 'When the token ends, in ms since the epoch; without it the connection may stay for ever' }))
})
export type Identity = Static<typeof Identity>

const identities = TypeCompiler.Compile(Identity)

/** Throws a TypeError for what an application's own token check gave and is no identity. */
export function assertIdentity (value: unknown): asserts value is Identity {
  if (identities.Check(value)) return
  const fault = identities.Errors(value).First()
  throw new TypeError(`authenticate() must give { user, roles } or null; what it gave does not fit at "${fault?.path ?? ''}": ${fault?.message ?? 'unknown'}.`)
}
