// JSON as Go's package encoding/json reads and writes it, where Go differs from JSON.parse and JSON.stringify.

/** Characters that Go escapes, so that JSON is safe inside HTML (package encoding/json, HTMLEscape). */
const HTML = /[<>&\u2028\u2029]/g

/**
 * Escapes the characters of HTML in JSON text, as Go's `json.Marshal` does. In valid JSON these characters occur only
 * inside strings.
 */
export function escapeHtml (json: string): string {
  return json.replace(HTML, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * Encodes a value as Go's `json.Marshal` encodes a decoded value: object keys in the order of their UTF-8 bytes, HTML
 * characters escaped.
 *
 * @throws {RangeError} for a number that a float64 cannot represent, and for a value that is nested too deeply.
 */
export function sortedGoJson (value: unknown): string {
  return escapeHtml(encodeSorted(value))
}

function encodeSorted (value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('JSON has no such number.')
  if (Array.isArray(value)) return `[${value.map(encodeSorted).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${encodeSorted(one)}`).join(',')}}`
}

/** A literal or a number at the start of a text (RFC 8259 sections 3 and 6). */
const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/

/**
 * The text of the first JSON value of a text. Go's `json.Decoder` ignores the rest. The result is arbitrary for a text
 * that does not start with a JSON value: JSON.parse refuses it.
 */
export function firstJson (text: string): string {
  const start = text.replace(/^[ \t\r\n]+/, '')
  return SCALAR.exec(start)?.[0] ?? start.slice(0, endOfFirstValue(start))
}

/**
 * Index behind the object, list or string at the start of a text. For invalid JSON the index is arbitrary, because
 * JSON.parse rejects any part of such a text.
 */
function endOfFirstValue (text: string): number {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at)
    if (character === '"') at = endOfString(text, at)
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') depth--
    if (depth === 0) return at + 1
  }
  return text.length
}

/** Index of the closing quote of the string that starts at `start`. */
function endOfString (text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text.charAt(at) === '\\') at++
    else if (text.charAt(at) === '"') return at
  }
  return text.length
}

/**
 * Selects the fields of a struct from an object, as Go's `json.Unmarshal` does: the case of a key is ignored, of
 * several matching keys the last one counts, and unknown keys are left out.
 *
 * @param fields - names of the fields; the result has these names as its keys.
 */
export function foldKeys (value: object, fields: readonly string[]): Record<string, unknown> {
  const names = new Map(fields.map((field) => [field.toLowerCase(), field]))
  const folded: Record<string, unknown> = {}
  for (const [key, one] of Object.entries(value)) {
    const name = names.get(key.toLowerCase())
    if (name !== undefined) folded[name] = one
  }
  return folded
}
