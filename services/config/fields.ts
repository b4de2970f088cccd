import { Type, type TArray, type TInteger, type TLiteral, type TSchema, type TString } from '@sinclair/typebox'
import { formatDuration, formatSize } from './units.ts'

/** How a value is written; `convert.ts` has one reader for each. */
export type Kind = 'toggle' | 'whole' | 'duration' | 'size' | 'choice' | 'text' | 'secret' | 'origin' | 'proxies'

/** A schema that one of the functions below made; `form` says how a value is written, where that is not said by `allowed`. */
export type Field = TSchema & { kind: Kind, allowed: string, form?: string, secret?: boolean }

/** Tells whether a schema is a field. */
export function isField (schema: TSchema): schema is Field {
  return typeof schema.kind === 'string'
}

/** A number of milliseconds that people write as `20s`. */
export type TDuration = TInteger & { kind: 'duration' }

/** A number of bytes that people write as `64KiB`. */
export type TSize = TInteger & { kind: 'size' }

/** What a field may add to its default and its description; bounds are in milliseconds, bytes or plain numbers. */
export interface Extras {
  minimum?: number
  maximum?: number
  /** A second sentence, for docs/configuration.md only. */
  note?: string
}

/** A section of config.yml. */
export function section<T extends Record<string, TSchema>> (description: string, properties: T) {
  return Type.Object(properties, { description, additionalProperties: false })
}

/** True or false. */
export function toggle (fallback: boolean, description: string, extras: Extras = {}) {
  return Type.Boolean({ kind: 'toggle', allowed: 'true or false', default: fallback, description, ...extras })
}

/** A whole number. */
export function whole (fallback: number, description: string, extras: Extras = {}) {
  const allowed = `a whole number${range(extras, String)}`
  return Type.Integer({ kind: 'whole', allowed, default: fallback, description, ...extras })
}

/** A duration: milliseconds in Config, `20s` everywhere else. */
export function duration (fallback: string, description: string, extras: Extras = {}): TDuration {
  const allowed = `a duration${range(extras, formatDuration)}`
  const form = 'a duration such as 500ms, 20s or 5m'
  return { ...Type.Integer({ form, allowed, default: fallback, description, ...extras }), kind: 'duration' }
}

/** A size: bytes in Config, `64KiB` or a plain number everywhere else. */
export function size (fallback: string | number, description: string, extras: Extras = {}): TSize {
  const allowed = `a size${range(extras, formatSize)}`
  const form = 'a size such as 512, 64KiB or 1MiB'
  return { ...Type.Integer({ form, allowed, default: fallback, description, ...extras }), kind: 'size' }
}

/** One word of a few. */
export function choice<const T extends string> (fallback: NoInfer<T>, words: readonly T[], description: string, extras: Extras = {}) {
  const allowed = new Intl.ListFormat('en', { type: 'disjunction' }).format(words)
  const literals: TLiteral<T>[] = words.map((word) => Type.Literal(word))
  return Type.Unsafe<T>(Type.Union(literals, { kind: 'choice', allowed, default: fallback, description, ...extras }))
}

/** Text, bound by a pattern whose meaning `allowed` says in words. */
export function text (fallback: string, description: string, extras: Extras & { pattern?: string; allowed?: string } = {}): TString {
  const form = 'text (put it in quotes)'
  return Type.String({ kind: 'text', form, allowed: 'any text', default: fallback, description, ...extras })
}

/** A key that is never shown, and that the environment may name a file for. */
export function secret (fallback: string, description: string, extras: Extras = {}): TString {
  const allowed = 'empty or at least 32 characters long'
  return Type.String({ kind: 'secret', secret: true, allowed, default: fallback, description, ...extras })
}

/** Web origins, each exactly as a browser sends it. */
export function origins (description: string, extras: Extras = {}): TArray<TString> {
  const exact = 'an origin such as https://app.example.com (scheme and host in lower case, no slash at the end), or *'
  const origin = Type.String({ kind: 'origin', allowed: exact })
  const allowed = 'a list of origins such as https://app.example.com, or *'
  return Type.Array(origin, { allowed, default: [], description, ...extras })
}

/** Whose X-Forwarded-For is believed: nobody's, everybody's, or that of listed addresses. */
export function proxies (description: string, extras: Extras = {}) {
  const allowed = 'true, false, or addresses and ranges such as 10.0.0.1, 10.0.0.0/8 or loopback'
  return Type.Union([Type.Boolean(), Type.String()], { kind: 'proxies', allowed, default: false, description, ...extras })
}

function range ({ minimum, maximum }: Extras, format: (value: number) => string): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${format(minimum)} to ${format(maximum)}`
  return minimum === undefined ? '' : ` of at least ${format(minimum)}`
}
