import { Kind, type TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'

/** Checks the data of a call. Returns null for valid data, else the first fault as `/path: reason`. */
export type DataCheck = (data: unknown) => string | null

/**
 * Fastify's options of ajv without the three that change the data (`coerceTypes`, `useDefaults`, `removeAdditional`).
 * `addUsedSchema` is off, so that two actions may have schemas with the same `$id`. The logger is off: strict mode
 * throws.
 */
const AJV_OPTIONS = { addUsedSchema: false, logger: false } as const

let ajv: Ajv | undefined

/**
 * Compiles the schema of an action. A schema of `@sinclair/typebox` is compiled by that package, any other JSON Schema
 * (draft 7), such as one of `typebox` 1.x, by ajv in strict mode: an unknown keyword or format is a fault, and a `$ref`
 * to another document is not loaded from the network.
 *
 * @throws {Error} when the schema does not compile; the message has the name of the action.
 */
export function compileSchema (name: string, schema: unknown): DataCheck {
  try {
    if (typeof schema !== 'object' || schema === null) throw new Error('it must be a JSON Schema.')
    return Kind in schema ? compileTypeBox(schema as TSchema) : compileJsonSchema(schema)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`The schema of the action "${name}" cannot be compiled: ${reason}`, { cause })
  }
}

function compileTypeBox (schema: TSchema): DataCheck {
  const check = TypeCompiler.Compile(schema)
  return (data) => {
    if (check.Check(data)) return null
    const fault = check.Errors(data).First()
    return `${fault?.path ?? ''}: ${fault?.message ?? 'does not fit the schema'}`
  }
}

function compileJsonSchema (schema: object): DataCheck {
  ajv ??= formats.default(new Ajv(AJV_OPTIONS))
  const check = ajv.compile(schema)
  // An asynchronous check returns a promise, which is truthy for invalid data too.
  if ('$async' in check) throw new Error('an action takes no schema with $async; check asynchronously in the handler.')
  return (data) => {
    if (check(data)) return null
    const fault = check.errors?.[0]
    return `${fault?.instancePath ?? ''}: ${fault?.message ?? 'does not fit the schema'}`
  }
}
