import { parse } from 'yaml'
import { composeConfig, isSection, root, valueAt, type Leaf, type Section } from './model.ts'
import type { Config } from './schema.ts'
import { formatDuration, formatSize } from './units.ts'

/**
 * Returns a copy of the configuration with eight stars in place of every secret that is set. Eight characters are too
 * few for a secret, so a printed configuration that is read again is refused.
 */
export function maskSecrets (config: Config): Config {
  return composeConfig((leaf) => {
    const value = valueAt(config, leaf)
    return leaf.secret && value !== '' ? '********' : value
  })
}

/**
 * Prints a configuration in the form of config.yml. Reading the result gives the same configuration. Secrets are not
 * masked.
 */
export function toYaml (config: Config): string {
  return sectionLines(root, (leaf) => toFileValue(leaf, valueAt(config, leaf))).map(({ code }) => `${code}\n`).join('')
}

/** One line of YAML, with its key. */
export interface Line {
  code: string
  item: Leaf | Section
}

/** Prints a section as lines of YAML without comments. */
export function sectionLines (section: Section, value: (leaf: Leaf) => unknown): Line[] {
  const indent = section.path === '' ? '' : '  '.repeat(section.path.split('.').length)
  return [...section.items.values()].flatMap((item) =>
    isSection(item)
      ? [{ code: `${indent}${item.key}:`, item }, ...sectionLines(item, value)]
      : [{ code: `${indent}${item.key}: ${toInlineYaml(value(item))}`, item }])
}

/** Converts a value of Config to the notation of config.yml: 20000 of a duration to `20s`. */
export function toFileValue ({ schema }: Leaf, value: unknown): unknown {
  if (schema.kind === 'choice' && typeof value === 'string') return withoutQuotes(value)
  if (typeof value !== 'number') return value
  if (schema.kind === 'duration') return withoutQuotes(formatDuration(value))
  return schema.kind === 'size' ? withoutQuotes(formatSize(value)) : value
}

/** Converts text of digits to a number: YAML would put the text in quotes, and the reader accepts both. */
function withoutQuotes (text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text
}

/** Prints a value on one line of YAML. JSON is valid YAML; plain words are printed without the quotes of JSON. */
function toInlineYaml (value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toInlineYaml).join(', ')}]`
  const isBare = typeof value === 'string' && /^[\w/][\w./-]*$/.test(value) && parse(value) === value
  return isBare ? value : JSON.stringify(value)
}
