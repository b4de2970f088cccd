import { Type, type TArray, type TInteger, type TLiteral, type TSchema, type TString } from '@sinclair/typebox'
import { formatDuration, formatSize } from './units.ts'

/** The notation of a field's value. convert.ts has one reader for each kind. */
export type Kind = 'boolean' | 'integer' | 'duration' | 'size' | 'choice' | 'text' | 'secret' | 'origin' | 'proxies'

/** The schema of a key, made by one of the functions below. */
export type Field = TSchema & {
  kind: Kind
  /** The values that are allowed, in words: `a whole number from 0 to 65535`. */
  allowed: string
  /** The notation in words, for faults about values that cannot be read. Default: `allowed`. */
  form?: string
  secret?: boolean
  /** See `ChoiceOptions`. */
  former?: Record<string, string>
}

/** Tells whether a schema is a field. */
export function isField (schema: TSchema): schema is Field {
  return typeof schema.kind === 'string'
}

/** A number of milliseconds, written as `20s` in configuration files. */
export type TDuration = TInteger & { kind: 'duration' }

/** A number of bytes, written as `64KiB` in configuration files. */
export type TSize = TInteger & { kind: 'size' }

/** Optional parts of a field. Bounds are milliseconds, bytes or plain numbers. */
export interface FieldOptions {
  minimum?: number
  maximum?: number
  /** A second sentence of the description, for docs/configuration.md only. */
  note?: string
}

/** Defines a section of config.yml. */
export function section<T extends Record<string, TSchema>> (description: string, properties: T) {
  return Type.Object(properties, { description, additionalProperties: false })
}

/** Defines a key that is true or false. */
export function boolean (fallback: boolean, description: string, options: FieldOptions = {}) {
  return Type.Boolean({ kind: 'boolean', allowed: 'true or false', default: fallback, description, ...options })
}

/** Defines a key with a whole number. */
export function integer (fallback: number, description: string, options: FieldOptions = {}) {
  const allowed = `a whole number${range(options, String)}`
  return Type.Integer({ kind: 'integer', allowed, default: fallback, description, ...options })
}

/** Defines a key with a duration: milliseconds in Config, text such as `20s` in every source. */
export function duration (fallback: string, description: string, options: FieldOptions = {}): TDuration {
  const allowed = `a duration${range(options, formatDuration)}`
  const form = 'a duration such as 500ms, 20s or 5m'
  return { ...Type.Integer({ form, allowed, default: fallback, description, ...options }), kind: 'duration' }
}

/** Defines a key with a size: bytes in Config, text such as `64KiB` or a plain number in every source. */
export function size (fallback: string | number, description: string, options: FieldOptions = {}): TSize {
  const allowed = `a size${range(options, formatSize)}`
  const form = 'a size such as 512, 64KiB or 1MiB'
  return { ...Type.Integer({ form, allowed, default: fallback, description, ...options }), kind: 'size' }
}

/** Options of a choice. */
interface ChoiceOptions extends FieldOptions {
  /** Values of earlier versions, each with the remedy: the end of the sentence of a fault. */
  former?: Record<string, string>
}

/** Defines a key with one word of a few. */
export function choice<const T extends string> (
  fallback: NoInfer<T>,
  words: readonly T[],
  description: string,
  options: ChoiceOptions = {}
) {
  const allowed = new Intl.ListFormat('en', { type: 'disjunction' }).format(words)
  const literals: TLiteral<T>[] = words.map((word) => Type.Literal(word))
  return Type.Unsafe<T>(Type.Union(literals, { kind: 'choice', allowed, default: fallback, description, ...options }))
}

/** Options of a text field: a regular expression for the value, and its meaning in words. */
interface TextOptions extends FieldOptions {
  pattern?: string
  allowed?: string
}

/** Defines a key with text. */
export function text (fallback: string, description: string, options: TextOptions = {}): TString {
  const form = 'text (put it in quotes)'
  return Type.String({ kind: 'text', form, allowed: 'any text', default: fallback, description, ...options })
}

/**
 * Defines a key with a secret. Secrets are masked in print and may be read from a file that an environment variable
 * names.
 */
export function secret (fallback: string, description: string, options: FieldOptions = {}): TString {
  const allowed = 'empty or at least 32 characters long'
  return Type.String({ kind: 'secret', secret: true, allowed, default: fallback, description, ...options })
}

/** Defines a key with a list of web origins, each in the notation of browsers. Default: an empty list. */
export function origins (description: string, options: FieldOptions = {}): TArray<TString> {
  const exact = 'an origin such as https://app.example.com (scheme and host in lower case, no slash at the end), or *'
  const origin = Type.String({ kind: 'origin', allowed: exact })
  const allowed = 'a list of origins such as https://app.example.com, or *'
  return Type.Array(origin, { allowed, default: [], description, ...options })
}

/**
 * Defines a key with the proxies to trust: true (all), false (no proxy), or a list of addresses and ranges. Default:
 * false.
 */
export function proxies (description: string, options: FieldOptions = {}) {
  const allowed = 'true, false, or addresses and ranges such as 10.0.0.1, 10.0.0.0/8 or loopback'
  return Type.Union([Type.Boolean(), Type.String()], { kind: 'proxies', allowed, default: false, description, ...options })
}

function range ({ minimum, maximum }: FieldOptions, format: (value: number) => string): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${format(minimum)} to ${format(maximum)}`
  return minimum === undefined ? '' : ` of at least ${format(minimum)}`
}
