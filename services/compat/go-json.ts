/** Characters that Go writes as escapes, so that JSON can stand in HTML (package encoding/json, HTMLEscape). */
const HTML = /[<>&\u2028\u2029]/g

/** JSON as Go's `json.Marshal` writes it: the same text with the characters of HTML escaped. These stand in strings only, so any JSON will do. */
export function escapeHtml (json: string): string {
  return json.replace(HTML, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * A JSON value as Go's `json.Marshal` writes what it has decoded before: object keys sorted by their UTF-8, HTML
 * escaped. Throws a RangeError for numbers beyond a float64, and for what is nested too deeply.
 */
export function sortedGoJson (value: unknown): string {
  return escapeHtml(sorted(value))
}

function sorted (value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('JSON has no such number.')
  if (Array.isArray(value)) return `[${value.map(sorted).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${sorted(one)}`).join(',')}}`
}

/** A value that is neither an object nor a list nor a string (RFC 8259 section 6 and 3). */
const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/

/** Parses the first JSON value of a text, whatever follows it, as Go's `json.Decoder` does. Throws a SyntaxError when there is none. */
export function parseFirstJson (text: string): unknown {
  const start = text.replace(/^[ \t\r\n]+/, '')
  return JSON.parse(SCALAR.exec(start)?.[0] ?? start.slice(0, endOfFirst(start)))
}

/** Where the object, list or string ends that a text begins with. Of what is no JSON, any place will do: it does not parse. */
function endOfFirst (text: string): number {
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

/** Where the string that begins here has its closing quote. */
function endOfString (text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text.charAt(at) === '\\') at++
    else if (text.charAt(at) === '"') return at
  }
  return text.length
}

/** An object with the keys that Go would find for these fields: it ignores their case, and the last of several counts. Other keys are left out. */
export function foldKeys (value: object, fields: readonly string[]): Record<string, unknown> {
  const names = new Map(fields.map((field) => [field.toLowerCase(), field]))
  const folded: Record<string, unknown> = {}
  for (const [key, one] of Object.entries(value)) {
    const name = names.get(key.toLowerCase())
    if (name !== undefined) folded[name] = one
  }
  return folded
}
