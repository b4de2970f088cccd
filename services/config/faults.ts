import { inspect } from 'node:util'

/** The configuration is wrong; `faults` has one sentence for each thing to mend, each with the place where it stands. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor (faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/** A value as a fault shows it: text in quotes, cut when it is long. */
export function shown (raw: unknown): string {
  const whole = typeof raw === 'string' ? JSON.stringify(raw) : inspect(raw, { depth: 1, breakLength: Infinity })
  return whole.length > 80 ? `${whole.slice(0, 77)}…` : whole
}

/** The end of a fault about an unknown name: `, did you mean "host"?`, or nothing when no known name is near. */
export function didYouMean (name: string, known: Iterable<string>, prefix = ''): string {
  let nearest = ''
  let least = Math.min(3, Math.floor(name.length / 2)) + 1
  for (const candidate of known) {
    const distance = levenshtein(name.toLowerCase(), candidate.toLowerCase())
    if (distance < least) [nearest, least] = [candidate, distance]
  }
  return nearest === '' ? '' : `, did you mean "${prefix}${nearest}"?`
}

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
