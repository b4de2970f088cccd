import { isIP } from 'node:net'
import { TypeGuard, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { quote } from './faults.ts'
import { isField, type Kind } from './fields.ts'
import { parseDuration, parseSize } from './units.ts'

/** The origins of pages that have none of their own: of sandboxed frames, and of local files. */
export const SHARED_ORIGINS: readonly string[] = ['null', 'file://']

/** The result of converting a raw value: a value of the field's type, or the fault to report. */
export type Conversion = { value: unknown } | { fault: string }

/**
 * Converts a raw value to the type of a field. Raw values are text from a flag or an environment variable, and scalars
 * or lists from YAML or code.
 *
 * @throws {TypeError} when the schema is not made by a function of fields.ts.
 */
export function convert (schema: TSchema, raw: unknown): Conversion {
  if (TypeGuard.IsArray(schema)) return convertList(schema.items, raw)
  if (!isField(schema)) throw new TypeError('Every key of the configuration is made by a function of fields.ts.')

  const { kind, allowed, form = allowed, secret = false, former = {} } = schema
  const value = readers[kind](raw)
  const expected = value === undefined ? form : allowed
  if (value !== undefined && Value.Check(schema, value)) return { value }
  if (secret) return { fault: `must be ${expected}` }
  const advice = typeof value === 'string' && Object.hasOwn(former, value) ? `: ${former[value]}` : ''
  return { fault: `must be ${expected}, not ${quote(raw)}${advice}` }
}

function convertList (item: TSchema, raw: unknown): Conversion {
  const list = typeof raw === 'string' ? raw.split(',').map(trim).filter(Boolean) : raw
  if (!Array.isArray(list)) return { fault: `must be a list, not ${quote(raw)}` }

  const value: unknown[] = []
  for (const element of list) {
    const conversion = convert(item, element)
    if ('fault' in conversion) return conversion
    value.push(conversion.value)
  }
  return { value }
}

/**
 * One reader for each kind of field. A reader returns undefined when the raw value is not in the notation of the kind.
 */
const readers: Record<Kind, (raw: unknown) => unknown> = {
  boolean: readBoolean,
  integer: readInteger,
  duration: parseDuration,
  size: parseSize,
  // YAML reads a choice of digits, such as 200, as a number.
  choice: (raw) => typeof raw === 'number' ? String(raw) : trim(raw),
  text: (raw) => (typeof raw === 'string' ? raw : undefined),
  secret: (raw) => (typeof raw === 'string' && (raw === '' || raw.length >= 32) ? raw : undefined),
  origin: (raw) => (typeof raw === 'string' && isOrigin(raw) ? raw : undefined),
  proxies: (raw) => readBoolean(raw) ?? readProxyList(raw)
}

function trim (raw: unknown): unknown {
  return typeof raw === 'string' ? raw.trim() : raw
}

function readBoolean (raw: unknown): boolean | undefined {
  if (typeof raw === 'boolean') return raw
  return new Map<unknown, boolean>([['true', true], ['1', true], ['false', false], ['0', false]]).get(trim(raw))
}

function readProxyList (raw: unknown): string | undefined {
  return typeof raw === 'string' && raw.split(',').every(isProxy) ? raw.trim() : undefined
}

function readInteger (raw: unknown): number | undefined {
  const isNumber = typeof raw === 'number' || (typeof raw === 'string' && /^\s*-?\d+\s*$/.test(raw))
  return isNumber && Number.isSafeInteger(Number(raw)) ? Number(raw) : undefined
}

/**
 * Tells whether a text is an origin as browsers send it: scheme and host in lower case, without a default port. Any
 * other notation would never match the `Origin` header of a request.
 */
function isOrigin (text: string): boolean {
  if (text === '*' || SHARED_ORIGINS.includes(text)) return true
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@,*A-Z]+$/.test(text)) return false
  return !/^https?:/.test(text) || (URL.canParse(text) && new URL(text).origin === text)
}

/** Tells whether Fastify's trustProxy accepts a text: an address, a range, or the name of a well-known range. */
function isProxy (text: string): boolean {
  const match = /^(?<address>[^/%]+?)(?:\/(?<bits>\d{1,3}))?$/.exec(text.trim())
  const { address = '', bits } = match?.groups ?? {}
  if (bits === undefined && ['loopback', 'linklocal', 'uniquelocal'].includes(address)) return true

  const version = isIP(address)
  return version !== 0 && (bits === undefined || (Number(bits) >= 1 && Number(bits) <= (version === 4 ? 32 : 128)))
}
