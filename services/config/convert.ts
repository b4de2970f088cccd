import { isIP } from 'node:net'
import { TypeGuard, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { shown } from './faults.ts'
import { isField, type Kind } from './fields.ts'
import { parseDuration, parseSize } from './units.ts'

/** A value of the leaf's type, or why there is none. */
export type Conversion = { value: unknown } | { fault: string }

/** Turns what was written (text from a flag or a variable, a scalar or list from YAML or code) into the value of a field. */
export function convert (schema: TSchema, raw: unknown): Conversion {
  if (TypeGuard.IsArray(schema)) return convertList(schema.items, raw)
  if (!isField(schema)) throw new TypeError('Every key of the configuration is made by a function of fields.ts.')

  const { kind, allowed, form = allowed, secret = false } = schema
  const value = readers[kind](raw)
  const expected = value === undefined ? form : allowed
  if (value !== undefined && Value.Check(schema, value)) return { value }
  return { fault: secret ? `must be ${expected}` : `must be ${expected}, not ${shown(raw)}` }
}

function convertList (item: TSchema, raw: unknown): Conversion {
  const list = typeof raw === 'string' ? raw.split(',').map(trim).filter(Boolean) : raw
  if (!Array.isArray(list)) return { fault: `must be a list, not ${shown(raw)}` }

  const value: unknown[] = []
  for (const element of list) {
    const conversion = convert(item, element)
    if ('fault' in conversion) return conversion
    value.push(conversion.value)
  }
  return { value }
}

/** Undefined means: this is not written as that kind is written. */
const readers: Record<Kind, (raw: unknown) => unknown> = {
  toggle: readToggle,
  whole: readWhole,
  duration: parseDuration,
  size: parseSize,
  // Also a word of digits: YAML reads it as a number.
  choice: (raw) => typeof raw === 'number' ? String(raw) : trim(raw),
  text: (raw) => (typeof raw === 'string' ? raw : undefined),
  secret: (raw) => (typeof raw === 'string' && (raw === '' || raw.length >= 32) ? raw : undefined),
  origin: (raw) => (typeof raw === 'string' && isOrigin(raw) ? raw : undefined),
  proxies: (raw) => readToggle(raw) ?? (typeof raw === 'string' && raw.split(',').every(isProxy) ? raw.trim() : undefined)
}

function trim (raw: unknown): unknown {
  return typeof raw === 'string' ? raw.trim() : raw
}

function readToggle (raw: unknown): boolean | undefined {
  if (typeof raw === 'boolean') return raw
  return new Map<unknown, boolean>([['true', true], ['1', true], ['false', false], ['0', false]]).get(trim(raw))
}

function readWhole (raw: unknown): number | undefined {
  const isNumber = typeof raw === 'number' || (typeof raw === 'string' && /^\s*-?\d+\s*$/.test(raw))
  return isNumber && Number.isSafeInteger(Number(raw)) ? Number(raw) : undefined
}

/** A browser sends scheme and host in lower case, without a default port: anything else would never match. */
function isOrigin (text: string): boolean {
  if (text === '*') return true
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@,*A-Z]+$/.test(text)) return false
  return !/^https?:/.test(text) || (URL.canParse(text) && new URL(text).origin === text)
}

/** What Fastify's trustProxy takes: an address, a range, or the name of a well-known range. */
function isProxy (text: string): boolean {
  const match = /^(?<address>[^/%]+?)(?:\/(?<bits>\d{1,3}))?$/.exec(text.trim())
  const { address = '', bits } = match?.groups ?? {}
  if (bits === undefined && ['loopback', 'linklocal', 'uniquelocal'].includes(address)) return true

  const version = isIP(address)
  return version !== 0 && (bits === undefined || (Number(bits) >= 1 && Number(bits) <= (version === 4 ? 32 : 128)))
}
