/** Milliseconds of each unit of a duration. */
const durationUnits = new Map([
  ['', 1_000],
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000]
])

/** Bytes of each unit of a size, in lower case. */
const sizeUnits = new Map([
  ['', 1],
  ['b', 1],
  ['kb', 1_000],
  ['mb', 1_000 ** 2],
  ['gb', 1_000 ** 3],
  ['kib', 1_024],
  ['mib', 1_024 ** 2],
  ['gib', 1_024 ** 3]
])

/**
 * Parses `500ms`, `20s`, `5m`, `1h`, `1d` or a plain number of seconds to milliseconds. Returns undefined for any other
 * value.
 */
export function parseDuration (raw: unknown): number | undefined {
  return parse(raw, (unit) => durationUnits.get(unit))
}

/**
 * Parses `64KiB`, `1MiB`, `1GiB`, `64KB` or a plain number of bytes to bytes. Returns undefined for any other value.
 */
export function parseSize (raw: unknown): number | undefined {
  return parse(raw, (unit) => sizeUnits.get(unit.toLowerCase()))
}

/** Formats milliseconds in the largest unit that divides the number exactly: 100000 → `100s`, 120000 → `2m`. */
export function formatDuration (ms: number): string {
  const unit = ['d', 'h', 'm', 's', 'ms'].find((name) => divides(durationUnits.get(name), ms)) ?? ''
  return `${ms / (durationUnits.get(unit) ?? 1)}${unit}`
}

/** Formats bytes in the largest binary unit that divides the number exactly: 1048576 → `1MiB`, 65535 → `65535`. */
export function formatSize (bytes: number): string {
  const unit = ['GiB', 'MiB', 'KiB'].find((name) => divides(sizeUnits.get(name.toLowerCase()), bytes)) ?? ''
  return `${bytes / (sizeUnits.get(unit.toLowerCase()) ?? 1)}${unit}`
}

function parse (raw: unknown, factorOf: (unit: string) => number | undefined): number | undefined {
  if (typeof raw !== 'string' && typeof raw !== 'number') return undefined
  const match = /^(?<amount>\d+(?:\.\d+)?)\s*(?<unit>[a-z]*)$/i.exec(String(raw).trim())
  const factor = factorOf(match?.groups?.unit ?? '')
  if (!match || factor === undefined) return undefined

  const exact = Number(match.groups?.amount) * factor
  const whole = Math.round(exact)
  // 1.005 * 1000 is 1004.9999999999999: tolerate rounding errors of floating point, refuse fractions in the text.
  const isWhole = Math.abs(exact - whole) < 1e-6 && Number.isSafeInteger(whole)
  return isWhole ? whole : undefined
}

function divides (factor: number | undefined, value: number): boolean {
  return factor !== undefined && value >= factor && value % factor === 0
}
