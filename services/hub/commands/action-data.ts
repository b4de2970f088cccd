import type { Static, TSchema } from '@sinclair/typebox'

/**
 * Type of an action's data: for a schema of `@sinclair/typebox` or of `typebox` 1.x the schema's type, otherwise
 * unknown.
 */
export type ActionData<S extends object> = S extends TSchema ? Static<S> : DataOf<S>

/**
 * Type of data that fits a schema of `typebox` 1.x. The type of such a schema has the form of its JSON Schema, with the
 * kind as `~kind`, so that the package need not be installed. Unknown for a schema of another kind.
 */
type DataOf<S> =
  S extends { '~unsafe': infer T } ? T
    : S extends { '~kind': 'Object', properties: infer P } ? ObjectData<P>
      : S extends { '~kind': 'Array', items: infer I } ? Array<DataOf<I>>
        : S extends { '~kind': 'Tuple', items: infer I } ? { -readonly [K in keyof I]: DataOf<I[K]> }
          : S extends { '~kind': 'Union', anyOf: ReadonlyArray<infer O> } ? DataOf<O>
            : S extends { '~kind': 'Intersect', allOf: infer A } ? AllData<A>
              : S extends { '~kind': 'Record', patternProperties: infer P } ? Record<string, DataOf<P[keyof P]>>
                : S extends { '~kind': 'Literal', const: infer V } ? V
                  : S extends { '~kind': 'Enum', enum: ReadonlyArray<infer V> } ? V
                    : S extends { '~kind': keyof Primitives } ? Primitives[S['~kind']]
                      : unknown

/** Types of the kinds without parts. */
interface Primitives {
  Boolean: boolean
  Integer: number
  Null: null
  Number: number
  String: string
  TemplateLiteral: string
}

/** Names of the properties that may be absent. */
type OptionalNames<P> = { [K in keyof P]: P[K] extends { '~optional': true } ? K : never }[keyof P]

type ObjectData<P> = Flat<
  { [K in Exclude<keyof P, OptionalNames<P>>]: DataOf<P[K]> } & { [K in OptionalNames<P>]?: DataOf<P[K]> }
>

/** An intersection of objects as one object, which is easier to read in an editor. */
type Flat<T> = { [K in keyof T]: T[K] }

/** Type of data that fits all schemas of a list. */
type AllData<A> = A extends readonly [infer First, ...infer Others] ? DataOf<First> & AllData<Others> : unknown
