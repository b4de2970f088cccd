import { readFileSync } from 'node:fs'
import { convert } from './convert.ts'
import { readEnvironment, reasonOf, type Environment } from './sources/env.ts'
import { ConfigError } from './faults.ts'
import { readYaml, type FileReading } from './sources/file.ts'
import { readFlags, type Flags } from './sources/flags.ts'
import { composeConfig, leaves, type Leaf } from './model.ts'
import { readOptions } from './sources/options.ts'
import { checkRules, type Chosen } from './rules.ts'
import type { Config, ConfigInput } from './schema.ts'
import type { Finding } from './sources/walk.ts'

export { ConfigError } from './faults.ts'
export { maskSecrets, toYaml } from './print.ts'
export type { Config, ConfigInput } from './schema.ts'

/** Where the configuration of the service comes from; `text` stands for the content of `file`, which is then not read. */
export interface Sources {
  file?: string | undefined
  text?: string | undefined
  /** process.env unless given. */
  env?: Environment | undefined
  flags?: Flags | undefined
}

/** The configuration, what is odd about it but not wrong, and the file it came from. */
export interface LoadedConfig {
  config: Config
  warnings: string[]
  file: string | null
}

/**
 * Loads the configuration of the service: flags win over the environment, that over the file, that over the defaults.
 * Throws ConfigError with every fault.
 */
export function loadConfig ({ file, text, env = process.env, flags = {} }: Sources = {}): LoadedConfig {
  const written = readFile(file, text)
  const environment = readEnvironment(env)
  const findings = [...written.findings, ...environment.findings, ...readFlags(flags)]
  return { config: settle(findings, env, written.broken), warnings: environment.warnings, file: file ?? null }
}

/**
 * Completes what the user of the plugin gives with the defaults; reads neither a file nor HUB_ variables. A number is
 * milliseconds or bytes here. Throws ConfigError with every fault.
 */
export function completeConfig (input: ConfigInput = {}, env: Environment = process.env): Config {
  return settle(readOptions(input), env)
}

/** Later settings win over earlier ones; each is checked, also one that another overrides. */
function settle (findings: Finding[], env: Environment, broken = false): Config {
  const faults: string[] = []
  const wrong = new Set<string>()
  // What a broken file would have set is unknown, so no rule may count on a default.
  const chosen = new Map<string, Chosen>(broken ? [] : leaves.map((leaf) => [leaf.path, defaultOf(leaf)]))

  for (const finding of findings) {
    if ('fault' in finding) {
      faults.push(finding.fault)
      continue
    }
    const { leaf, raw, place } = finding
    const conversion = convert(leaf.schema, raw)
    if ('value' in conversion) {
      chosen.set(leaf.path, { value: conversion.value, place })
    } else {
      wrong.add(leaf.path)
      faults.push(`${place}: ${conversion.fault}`)
    }
  }
  for (const path of wrong) chosen.delete(path)

  faults.push(...checkRules(chosen, env))
  if (faults.length > 0) throw new ConfigError(faults)
  return composeConfig((leaf) => chosen.get(leaf.path)?.value)
}

function defaultOf ({ path, schema }: Leaf): Chosen {
  const conversion = convert(schema, schema.default)
  if ('value' in conversion) return conversion
  throw new TypeError(`The default of ${path} ${conversion.fault}.`)
}

function readFile (file: string | undefined, text: string | undefined): FileReading {
  if (text !== undefined) return readYaml(text, file ?? 'config.yml')
  if (file === undefined) return { findings: [], broken: false }
  try {
    return readYaml(readFileSync(file, 'utf8'), file)
  } catch (err) {
    const reason = reasonOf(err)
    const fault = reason === 'ENOENT' ? `${file}: there is no such file` : `${file}: cannot be read (${reason})`
    return { findings: [{ fault }], broken: true }
  }
}
