import { readFileSync } from 'node:fs'
import { didYouMean } from '../faults.ts'
import { leaves, type Leaf } from '../model.ts'
import type { Finding } from './walk.ts'

/** Environment variables, as in process.env. */
export type Environment = Readonly<Record<string, string | undefined>>

const prefix = 'HUB_'
const variables = new Map(leaves.map((leaf) => [leaf.variable, leaf]))
const secretFiles = new Map(leaves.filter((leaf) => leaf.secret).map((leaf) => [`${leaf.variable}_FILE`, leaf]))
const known = [...variables.keys(), ...secretFiles.keys()].map((name) => name.slice(prefix.length))

/** Reads the `HUB_…` variables; one that is empty counts as not set, one that nobody knows is a warning. */
export function readEnvironment (env: Environment): { findings: Finding[]; warnings: string[] } {
  const findings: Finding[] = []
  const warnings: string[] = []

  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(prefix) || text === undefined || text === '') continue
    const leaf = variables.get(name)
    const secret = secretFiles.get(name)
    if (leaf) findings.push({ leaf, raw: text, place: name })
    else if (secret) findings.push(readSecretFile(secret, name, text, env))
    else warnings.push(`${name}: unknown variable, it has no effect${didYouMean(name.slice(prefix.length), known, prefix)}`)
  }
  return { findings, warnings }
}

function readSecretFile (leaf: Leaf, place: string, file: string, env: Environment): Finding {
  if (env[leaf.variable]) return { fault: `${place}: ${leaf.variable} is set as well, keep one of them` }
  try {
    const raw = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
    return raw === '' ? { fault: `${place}: the file that it names is empty` } : { leaf, raw, place }
  } catch (err) {
    // The name is not shown: somebody may have put the secret itself there.
    return { fault: `${place}: the file that it names cannot be read (${reasonOf(err)})` }
  }
}

/** The code of a file system error, such as ENOENT. */
export function reasonOf (err: unknown): string {
  return err instanceof Error && 'code' in err ? String(err.code) : 'unknown error'
}
