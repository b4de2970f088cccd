import { readFileSync } from 'node:fs'
import { convert } from './convert.ts'
import { ConfigError } from './faults.ts'
import { composeConfig, leaves, type Leaf } from './model.ts'
import { checkRules, type CheckedValue } from './rules.ts'
import type { ConfigInput } from './input.ts'
import type { Config } from './schema.ts'
import { errorCodeOf, readEnvironment, type Environment } from './sources/env.ts'
import { readYaml, type FileContent } from './sources/file.ts'
import { readFlags, type Flags } from './sources/flags.ts'
import { readOptions } from './sources/options.ts'
import type { Finding } from './sources/walk.ts'

export { ConfigError } from './faults.ts'
export { maskSecrets, toYaml } from './print.ts'
export type { ConfigInput } from './input.ts'
export type { Config } from './schema.ts'

/** The sources of the service's configuration. */
export interface Sources {
  /** Path of config.yml. Default: no file. */
  file?: string | undefined
  /** The content of `file`, which is then not read from the disk. */
  text?: string | undefined
  /** Environment variables. Default: process.env. */
  env?: Environment | undefined
  /** Command-line flags by key. Default: no flags. */
  flags?: Flags | undefined
}

/**
 * A complete configuration, with warnings (unknown environment variables) and the path of the file; null without a
 * file.
 */
export interface LoadedConfig {
  config: Config
  warnings: string[]
  file: string | null
}

/**
 * Loads the configuration of the service. Flags win over environment variables, those over the file, the file over the
 * defaults.
 *
 * @throws {ConfigError} with every fault of every source.
 */
export function loadConfig ({ file, text, env = process.env, flags = {} }: Sources = {}): LoadedConfig {
  const content = readFile(file, text)
  const environment = readEnvironment(env)
  const findings = [...content.findings, ...environment.findings, ...readFlags(flags)]
  const config = resolveConfig(findings, env, content.isBroken)
  return { config, warnings: environment.warnings, file: file ?? null }
}

/**
 * Completes the options of the plugin with the defaults. Reads neither a file nor HUB_ variables. A number is
 * milliseconds for a duration and bytes for a size.
 *
 * @param faults Faults of options that are no keys of the configuration, to report with the others.
 * @throws {ConfigError} with every fault of the options.
 */
export function completeConfig (
  input: ConfigInput = {}, env: Environment = process.env, faults: readonly string[] = []
): Config {
  return resolveConfig([...faults.map((fault) => ({ fault })), ...readOptions(input)], env)
}

/** Merges settings with the defaults. Later settings win over earlier ones; overridden settings are checked as well. */
function resolveConfig (findings: Finding[], env: Environment, isFileBroken = false): Config {
  const faults: string[] = []
  const wrongPaths = new Set<string>()
  // The values in a broken file are unknown, so no rule may assume a default.
  const values = new Map<string, CheckedValue>(isFileBroken ? [] : leaves.map((leaf) => [leaf.path, defaultOf(leaf)]))

  for (const finding of findings) {
    if ('fault' in finding) {
      faults.push(finding.fault)
      continue
    }
    const { leaf, raw, location } = finding
    const placeholder = placeholderIn(raw, leaf)
    const conversion = placeholder === undefined
      ? convert(leaf.schema, raw)
      : { fault: notReplaced(placeholder, leaf, location) }
    if ('value' in conversion) {
      values.set(leaf.path, { value: conversion.value, location })
    } else {
      wrongPaths.add(leaf.path)
      faults.push(`${location}: ${conversion.fault}`)
    }
  }
  for (const path of wrongPaths) values.delete(path)

  faults.push(...checkRules(values, env))
  if (faults.length > 0) throw new ConfigError(faults)
  return composeConfig((leaf) => values.get(leaf.path)?.value)
}

/** A variable in the form of shells and Compose files, which no source of the configuration replaces. */
const PLACEHOLDER = /\$\{\w+[^}]*\}|^\$[A-Z_]{2,}$/
/** A secret may contain any characters, so only a whole value counts. */
const SECRET_PLACEHOLDER = /^(\$\{\w+[^}]*\}|\$[A-Z_]{2,})$/

/** The placeholder in a raw value, or in an element of a list. */
function placeholderIn (raw: unknown, { secret }: Leaf): string | undefined {
  const texts = [raw].flat().filter((one) => typeof one === 'string')
  return texts.map((text) => (secret ? SECRET_PLACEHOLDER : PLACEHOLDER).exec(text)?.[0]).find(Boolean)
}

function notReplaced (placeholder: string, { variable }: Leaf, location: string): string {
  // The plugin reads no variables.
  const isInFile = !location.startsWith(variable) && !location.startsWith('options.')
  const remedy = isInFile ? `write the value itself, or remove the key and set ${variable}` : 'write the value itself'
  return `${placeholder} is not replaced by the value of a variable; ${remedy}`
}

function defaultOf ({ path, schema }: Leaf): CheckedValue {
  const conversion = convert(schema, schema.default)
  if ('value' in conversion) return conversion
  throw new TypeError(`The default of ${path} ${conversion.fault}.`)
}

function readFile (file: string | undefined, text: string | undefined): FileContent {
  if (text !== undefined) return readYaml(text, file ?? 'config.yml')
  if (file === undefined) return { findings: [], isBroken: false }
  try {
    return readYaml(readFileSync(file, 'utf8'), file)
  } catch (err) {
    const code = errorCodeOf(err)
    const fault = code === 'ENOENT' ? `${file}: there is no such file` : `${file}: cannot be read (${code})`
    return { findings: [{ fault }], isBroken: true }
  }
}
