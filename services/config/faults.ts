import { inspect } from 'node:util'

/** The configuration is invalid. The message lists all faults, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** One sentence for each mistake, with its location in the file, the environment, the flags or the options. */
  readonly faults: readonly string[]

  constructor (faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/** Formats a raw value for a fault: text in quotes, cut after 80 characters. */
export function quote (raw: unknown): string {
  const whole = typeof raw === 'string' ? JSON.stringify(raw) : inspect(raw, { depth: 1, breakLength: Infinity })
  return whole.length > 80 ? `${whole.slice(0, 77)}…` : whole
}

/**
 * Suggests the known name that is nearest to an unknown one, as the end of a fault: `, did you mean "host"?`. Returns
 * an empty text when no known name is near.
 */
export function didYouMean (name: string, known: Iterable<string>, prefix = ''): string {
  let nearest = ''
  let leastDistance = Math.min(3, Math.floor(name.length / 2)) + 1
  for (const candidate of known) {
    const distance = levenshtein(name.toLowerCase(), candidate.toLowerCase())
    if (distance < leastDistance) [nearest, leastDistance] = [candidate, distance]
  }
  return nearest === '' ? '' : `, did you mean "${prefix}${nearest}"?`
}

/** The Levenshtein distance: insertions, deletions and replacements that turn one text into the other. */
function levenshtein (from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (const [row, letter] of [...from].entries()) {
    const current = [row + 1]
    for (const [column, other] of [...to].entries()) {
      const replaced = (previous[column] ?? 0) + (letter === other ? 0 : 1)
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1))
    }
    previous = current
  }
  return previous.at(-1) ?? 0
}
