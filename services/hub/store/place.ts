import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'

/** How far a device has acknowledged, when, and how many messages since the inbox was last purged. */
const Place = Type.Object({ offset: Type.Integer(), at: Type.Integer(), ordinal: Type.Integer() })
export type Place = Static<typeof Place>
const places = TypeCompiler.Compile(Place)

/** A place as it is stored; undefined for what is none. */
export function asPlace (value: unknown): Place | undefined {
  return places.Check(value) ? value : undefined
}
