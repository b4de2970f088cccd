import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'

/** How far a device has acknowledged, when, and how many messages since the inbox was last purged. */
const DurableCursor = Type.Object({ offset: Type.Integer(), at: Type.Integer(), ordinal: Type.Integer() })
export type DurableCursor = Static<typeof DurableCursor>
const places = TypeCompiler.Compile(DurableCursor)

/** A place as it is stored; undefined for what is none. */
export function asDurableCursor (value: unknown): DurableCursor | undefined {
  return places.Check(value) ? value : undefined
}
