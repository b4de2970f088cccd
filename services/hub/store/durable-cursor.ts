import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'

/**
 * A named position of a user in the log that outlives connections, as the engine's state stores it. The scope stands in
 * the key: `inbox` (messages to the user, one cursor per device) or `everything` (every message that concerns the
 * user).
 */
const DurableCursor = Type.Object({
  /** Every message up to this offset is acknowledged. */
  offset: Type.Integer(),
  /** Time of the last acknowledgement, in ms since the epoch. */
  at: Type.Integer(),
  /** Number of messages to the user up to `offset`, counted since the inbox was last purged. */
  ordinal: Type.Integer()
})
export type DurableCursor = Static<typeof DurableCursor>
const durableCursorCheck = TypeCompiler.Compile(DurableCursor)

/** Reads a durable cursor from a stored value; undefined when the value has another form. */
export function asDurableCursor (value: unknown): DurableCursor | undefined {
  return durableCursorCheck.Check(value) ? value : undefined
}
