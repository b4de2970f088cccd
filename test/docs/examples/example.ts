import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { packagePath } from '../../../services/cli/package.ts'
import { PROGRAMS_MS, until } from '../../support/until.ts'

/** Packages that an example may import. */
const PACKAGES = ['fastify', 'fastify-hub', 'fastify-plugin', 'ws']
/** Without what belongs to the test runner, and without proxies, which would be asked for 127.0.0.1. */
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(HUB|HUB_.*|TOKEN|NODE_.*|TAP_.*|_TAPJS.*|.*_proxy)$/i.test(name)))

type Env = Record<string, string>

/** A folder of examples/, where somebody runs it. */
export class Example {
  readonly name: string
  readonly #t: Test
  readonly #cwd: string

  /** `cwd` has examples/ in it. */
  constructor (t: Test, name: string, cwd: string) {
    this.#t = t
    this.name = name
    this.#cwd = cwd
  }

  /** Runs the command in the head of a file, and words after it; killed when the test ends. */
  run (file: string, env: Env = {}, ...words: string[]): Program {
    const [program = '', ...args] = commandOf(this.name, file).split(' ')
    const child = spawn(program === 'node' ? process.execPath : program, [...args, ...words], { cwd: this.#cwd, env: { ...ENVIRONMENT, ...env } })
    this.#t.teardown(() => child.kill('SIGKILL'))
    return new Program(child)
  }
}

/** A process, and what it says. */
export class Program {
  /** All of it, errors as well. */
  output = ''
  /** Without errors. */
  printed = ''
  readonly #child: ChildProcessWithoutNullStreams
  /** Undefined until it has ended and all that it said has come. */
  #code: number | null | undefined

  constructor (child: ChildProcessWithoutNullStreams) {
    this.#child = child
    child.once('close', (code) => { this.#code = code })
    // A program that is not there only tells this, and then that it is closed.
    child.once('error', (error) => { this.output += String(error) })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { this.output += chunk.toString() })
    child.stdout.on('data', (chunk: Buffer) => { this.printed += chunk.toString() })
  }

  /** Resolves with the first group of the pattern when that has been printed. */
  async says (pattern: RegExp): Promise<string> {
    await until(() => pattern.test(this.output) || this.#code !== undefined, `${pattern.source} in the output of the program`, PROGRAMS_MS)
    const found = pattern.exec(this.output)
    if (found === null) throw new Error(`The program ended without saying ${pattern.source} (npm run build comes first): ${this.output}`)
    return found[1] ?? ''
  }

  /** Resolves with the exit code: null if it was killed, below 0 if there is no such program. */
  async ends (): Promise<number | null> {
    await until(() => this.#code !== undefined, 'the end of the program', PROGRAMS_MS)
    return this.#code ?? null
  }

  /** Resolves with the exit code after Ctrl+C or a kill. */
  stop (signal: 'SIGINT' | 'SIGTERM' = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal)
    return this.ends()
  }
}

/** The command in the head of an example's file. */
export function commandOf (name: string, file: string): string {
  const [, command] = /^(?:\/\/|#) {3}(\S.*)$/m.exec(readFileSync(packagePath('examples', name, file), 'utf8')) ?? []
  if (command === undefined) throw new Error(`Say in the head of examples/${name}/${file} how to run it.`)
  return command
}

/** A folder outside of the clone, gone when the test ends. */
export async function temporaryFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hub-example-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Copies an example into a project which has nothing but the packages that examples may import; gone when the test ends. */
export async function projectWith (t: Test, name: string): Promise<string> {
  const project = await temporaryFolder(t)
  await writeFile(join(project, 'package.json'), '{ "name": "shop", "private": true, "type": "module" }')
  await cp(packagePath('examples', name), join(project, 'examples', name), { recursive: true })
  await mkdir(join(project, 'node_modules'))
  for (const one of PACKAGES) await symlink(one === 'fastify-hub' ? packagePath() : packagePath('node_modules', one), join(project, 'node_modules', one))
  return project
}

/** Why a test is skipped that needs a program, with the way out; false where it is, and in CI, where the test shall fail instead. */
export function programMissing (program: string): string | false {
  const isThere = spawnSync(program, ['--version']).error === undefined
  return isThere || process.env.CI === 'true' ? false : `There is no ${program} here: apt-get install ${program} (Debian).`
}
