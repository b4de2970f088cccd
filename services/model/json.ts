import { safeParse } from 'secure-json-parse'
import { HubError } from './errors.ts'

/**
 * Levels of arrays and objects that a JSON value may have: as many as common parsers take (serde_json 128, PHP 512).
 * A limit of our own, because those of JavaScript engines differ and depend on the stack.
 */
export const MAX_JSON_DEPTH = 128

const TOO_DEEP = `JSON may be nested ${MAX_JSON_DEPTH} levels deep, and not deeper.`
const NO_JSON = 'A message must be a string, a Uint8Array or a JSON value'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c

/**
 * JSON text that is published as it is: every number keeps its digits, also beyond 2^53, and every object the order of
 * its keys. A value that JavaScript has parsed has lost both.
 *
 * @example
 * await fastify.hub.broadcast(JsonText.parse('{"id":653247040368672768}'))
 */
export class JsonText {
  /** The text, without white space around it. */
  readonly text: string

  /** @param text One JSON value. The caller has checked the text; `JsonText.parse` checks a text from elsewhere. */
  constructor (text: string) {
    this.text = text
  }

  /**
   * Checks a text and makes a message of it.
   *
   * @throws {HubError} HUB_REQUEST_INVALID for a text that is no JSON, is nested deeper than 128 levels, has a key
   * `__proto__`, or has half of a surrogate pair.
   */
  static parse (text: string): JsonText {
    parseJson(text)
    return new JsonText(text.trim())
  }

  /** @throws {HubError} HUB_REQUEST_INVALID: inside another value, JSON.stringify would lose the digits of the text. */
  toJSON (): never {
    throw invalid('Publish a JsonText by itself, not inside another value.')
  }
}

/**
 * Parses a JSON text from outside.
 *
 * @param levels Further levels that the text may have: those of an envelope around a message.
 * @throws {HubError} HUB_REQUEST_INVALID for a text that is no JSON, is nested too deeply, has a key `__proto__`, or
 * has half of a surrogate pair.
 */
export function parseJson (text: string, levels = 0): unknown {
  assertDepth(text, levels)
  if (!text.isWellFormed()) throw invalid(HALF_PAIR)
  const value: unknown = safeParse(text)
  // safeParse returns null for objects with `__proto__` or `constructor.prototype`, undefined for invalid JSON.
  if (value === undefined) throw invalid('The text is no JSON.')
  if (value === null && text.trim() !== 'null') throw invalid('JSON with a key "__proto__" or "constructor.prototype" is refused.')
  return value
}

/**
 * The message that a JSON text from outside stands for: a string, or the text of any other value.
 *
 * @throws {HubError} HUB_REQUEST_INVALID as `parseJson`.
 */
export function messageFromJson (text: string): string | JsonText {
  const value = parseJson(text)
  return typeof value === 'string' ? value : new JsonText(text.trim())
}

/**
 * The JSON of a value of the application.
 *
 * @throws {HubError} HUB_REQUEST_INVALID for a value without JSON (`undefined`, a function, a cycle, a bigint), with a
 * number that JSON has no form for (NaN, Infinity), or nested too deeply.
 */
export function toJson (value: unknown): string {
  if (value instanceof JsonText) return value.text
  let text: string | undefined
  try {
    text = JSON.stringify(value) as string | undefined
  } catch (cause) {
    if (cause instanceof HubError) throw cause
    throw invalid(`${NO_JSON}; this one has a cycle, a bigint, or is nested too deeply.`, cause)
  }
  if (text === undefined) throw invalid(`${NO_JSON}, not ${typeof value}.`)
  assertDepth(text)
  // JSON.stringify writes null for these numbers, so only a text with null can have one.
  if (text.includes('null') && hasNonFinite(value)) {
    throw invalid('JSON has no form for NaN and Infinity; send null or a string.')
  }
  return text
}

/** The sentence for a text with half of a surrogate pair. */
export const HALF_PAIR = 'The text has half of a surrogate pair, for which UTF-8 has no form.'

/**
 * Checks the depth of a JSON text.
 *
 * @param levels Further levels that the text may have: those of an envelope around a message.
 * @throws {HubError} HUB_REQUEST_INVALID
 */
export function assertDepth (text: string, levels = 0): void {
  if (isTooDeep(text, levels)) throw invalid(TOO_DEEP)
}

/** Whether `assertDepth` refuses a text. */
export function isTooDeep (text: string, levels = 0): boolean {
  const most = MAX_JSON_DEPTH + levels
  if (text.length <= most) return false
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (isClosing(code)) depth--
    else if (isOpening(code) && ++depth > most) return true
  }
  return false
}

/** A number at an index of a JSON text. */
const NUMBER = /-?\d[\d.]*(?:[eE][+-]?\d+)?/y
/** A text without a match has only numbers that JavaScript holds exactly enough. */
const DOUBTFUL = /\d{16}|\d[eE]/

/**
 * Checks the numbers of a JSON text that is handed to the application as a JavaScript value.
 *
 * @throws {HubError} HUB_REQUEST_INVALID for an integer beyond 2^53 that a number of JavaScript would round, and for a
 * number beyond its range.
 */
export function assertExactNumbers (text: string): void {
  if (hasExactNumbers(text)) return
  throw invalid('A number is beyond those of JavaScript (integers to 2^53); send it as a string.')
}

/** Whether JavaScript numbers keep the value of every number in a JSON text. */
export function hasExactNumbers (text: string): boolean {
  if (!DOUBTFUL.test(text)) return true
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) === QUOTE) at = endOfString(text, at)
    NUMBER.lastIndex = at
    const [token] = NUMBER.exec(text) ?? []
    if (token === undefined) continue
    if (!isExact(token)) return false
    at += token.length - 1
  }
  return true
}

function isExact (token: string): boolean {
  const value = Number(token)
  if (!Number.isFinite(value)) return false
  if (value === 0) return !/[1-9]/.test(token.split(/[eE]/, 1)[0] ?? '')
  // A further digit of a fraction is rounded by every reader of doubles.
  return !/^-?\d+$/.test(token) || BigInt(token) === BigInt(value)
}

/**
 * The text of a member of a JSON object, as it stands there; of several members with the name the last one, as
 * JSON.parse takes it. Undefined without such a member.
 *
 * @param text An object that JSON.parse has accepted.
 */
export function memberText (text: string, name: string): string | undefined {
  let found: string | undefined
  let at = text.indexOf('{') + 1
  for (;;) {
    const keyStart = text.indexOf('"', at)
    if (keyStart < 0) return found
    const keyEnd = endOfString(text, keyStart)
    const valueStart = text.indexOf(':', keyEnd) + 1
    const valueEnd = endOfValue(text, valueStart)
    if (isKey(text.slice(keyStart + 1, keyEnd), name)) found = text.slice(valueStart, valueEnd).trim()
    if (text.charCodeAt(valueEnd) !== COMMA) return found
    at = valueEnd + 1
  }
}

/** Whether the text between the quotes of a key stands for a name. */
function isKey (text: string, name: string): boolean {
  return text === name || (text.includes('\\') && JSON.parse(`"${text}"`) === name)
}

/** Index of the comma or the closing brace behind a member's value. */
function endOfValue (text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (isOpening(code)) depth++
    else if (depth === 0 && (code === COMMA || isClosing(code))) return at
    else if (isClosing(code)) depth--
  }
  return text.length
}

/** Index of the closing quote of the string that starts at `start`; the length of a text without one. */
function endOfString (text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let last = end - 1
    while (text.charCodeAt(last) === BACKSLASH) last--
    // An even number of backslashes escapes itself.
    if ((end - last) % 2 === 1) return end
  }
  return text.length
}

/**
 * Escapes the control characters that JSON leaves as they are: DEL and U+0080 to U+009F, which start commands of some
 * terminals. The other control characters are escaped by JSON.
 */
export function escapeControls (json: string): string {
  return json.replace(/[\x7f-\x9f]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`)
}

/** `[` or `{` */
function isOpening (code: number): boolean {
  return code === 0x5b || code === 0x7b
}

/** `]` or `}` */
function isClosing (code: number): boolean {
  return code === 0x5d || code === 0x7d
}

/** Whether JSON.stringify has written null for a number of this value. The value has no cycle. */
function hasNonFinite (value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return false
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    const replaced: unknown = Reflect.apply(value.toJSON, value, [''])
    return replaced !== value && hasNonFinite(replaced)
  }
  return Object.values(value).some(hasNonFinite)
}

function invalid (sentence: string, cause?: unknown): HubError {
  return new HubError('HUB_REQUEST_INVALID', sentence, { cause })
}
