import { parse } from 'yaml'
import { composeConfig, isSection, root, valueAt, type Leaf, type Section } from './model.ts'
import type { Config } from './schema.ts'
import { formatDuration, formatSize } from './units.ts'

/** The same configuration with every secret that is set replaced by stars, too few of them to be taken for a secret. */
export function maskSecrets (config: Config): Config {
  return composeConfig((leaf) => {
    const value = valueAt(config, leaf)
    return leaf.secret && value !== '' ? '********' : value
  })
}

/** The configuration in the form of config.yml: read in again, it gives the same configuration. Secrets are not masked here. */
export function toYaml (config: Config): string {
  return sectionLines(root, (leaf) => written(leaf, valueAt(config, leaf))).map(({ code }) => `${code}\n`).join('')
}

/** One line of YAML and the key that it stands for. */
export interface Line {
  code: string
  item: Leaf | Section
}

/** The lines of a section, without comments. */
export function sectionLines (section: Section, value: (leaf: Leaf) => unknown): Line[] {
  const indent = section.path === '' ? '' : '  '.repeat(section.path.split('.').length)
  return [...section.items.values()].flatMap((item) =>
    isSection(item)
      ? [{ code: `${indent}${item.key}:`, item }, ...sectionLines(item, value)]
      : [{ code: `${indent}${item.key}: ${inline(value(item))}`, item }])
}

/** A value of the configuration as it is written in the file. */
export function written ({ schema }: Leaf, value: unknown): unknown {
  if (schema.kind === 'choice' && typeof value === 'string') return unquoted(value)
  if (typeof value !== 'number') return value
  if (schema.kind === 'duration') return unquoted(formatDuration(value))
  return schema.kind === 'size' ? unquoted(formatSize(value)) : value
}

/** YAML would put a text of digits in quotes; as a number it reads the same. */
function unquoted (text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text
}

/** A value on one line; JSON is YAML, but quotes are only for text that needs them. */
function inline (value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`
  const isBare = typeof value === 'string' && /^[\w/][\w./-]*$/.test(value) && parse(value) === value
  return isBare ? value : JSON.stringify(value)
}
