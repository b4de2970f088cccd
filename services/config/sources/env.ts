import { readFileSync } from 'node:fs'
import { didYouMean } from '../faults.ts'
import { leaves, type Leaf } from '../model.ts'
import type { Finding } from './walk.ts'

/** Environment variables, in the form of process.env. */
export type Environment = Readonly<Record<string, string | undefined>>

const prefix = 'HUB_'
const leafByVariable = new Map(leaves.map((leaf) => [leaf.variable, leaf]))
const secrets = leaves.filter((leaf) => leaf.secret)
const secretByFileVariable = new Map(secrets.map((leaf) => [`${leaf.variable}_FILE`, leaf]))
const knownNames = [...leafByVariable.keys(), ...secretByFileVariable.keys()].map((name) => name.slice(prefix.length))

/** Reads the `HUB_…` variables. An empty variable counts as not set; an unknown variable is a warning. */
export function readEnvironment (env: Environment): { findings: Finding[]; warnings: string[] } {
  const findings: Finding[] = []
  const warnings: string[] = []

  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(prefix) || text === undefined || text === '') continue
    const leaf = leafByVariable.get(name)
    const secret = secretByFileVariable.get(name)
    const suggestion = didYouMean(name.slice(prefix.length), knownNames, prefix)
    if (leaf) {
      // Shells and secret stores add line feeds, and a token signed elsewhere would not fit.
      const raw = leaf.secret ? text.replace(/^[\r\n]+|[\r\n]+$/g, '') : text
      if (raw !== text) warnings.push(`${name}: line feeds around the secret are left out`)
      findings.push({ leaf, raw, location: name })
    } else if (secret) findings.push(readSecretFile(secret, name, text, env))
    else warnings.push(`${name}: unknown variable, it has no effect${suggestion}`)
  }
  return { findings, warnings }
}

/** Reads a secret from the file that a `HUB_…_FILE` variable names, without one newline at the end. */
function readSecretFile (leaf: Leaf, variable: string, file: string, env: Environment): Finding {
  if (env[leaf.variable]) return { fault: `${variable}: ${leaf.variable} is set as well, keep one of them` }
  try {
    const raw = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
    return raw === '' ? { fault: `${variable}: the file that it names is empty` } : { leaf, raw, location: variable }
  } catch (err) {
    // The fault does not show the file name: a user may have set the variable to the secret itself.
    return { fault: `${variable}: the file that it names cannot be read (${errorCodeOf(err)})` }
  }
}

/** The code of a file system error, such as ENOENT. */
export function errorCodeOf (err: unknown): string {
  return err instanceof Error && 'code' in err ? String(err.code) : 'unknown error'
}
