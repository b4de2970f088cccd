import { Type, type Static } from '@sinclair/typebox'
import type { UserId } from './message.ts'

/**
 * Scope of a durable cursor: `inbox` for the messages to the user, `everything` for every message that concerns the
 * user.
 */
export const CursorScope = Type.Union([Type.Literal('inbox'), Type.Literal('everything')])
export type CursorScope = Static<typeof CursorScope>

/** Identifies a durable cursor: a named position of a user in the log, which outlives connections. */
export interface DurableCursor {
  readonly user: UserId
  /** Name of the device that reads through an inbox cursor; '' for all devices without a name, and for `everything`. */
  readonly name: string
  readonly scope: CursorScope
}

/** The durable cursor of a user with the scope `everything`: a user has one, and its name is empty. */
export function everythingCursorOf (user: UserId): DurableCursor {
  return { user, name: '', scope: 'everything' }
}
