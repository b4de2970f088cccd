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
/** The environment without variables of the hub, of the test runner, and of proxies: a proxy cannot reach 127.0.0.1. */
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(HUB|HUB_.*|TOKEN|NODE_.*|TAP_.*|_TAPJS.*|.*_proxy)$/i.test(name)))

type Env = Record<string, string>

/** A folder of examples/, in the checkout or in another project. */
export class Example {
  readonly name: string
  readonly #t: Test
  readonly #cwd: string

  /** `cwd` is the folder that contains examples/. */
  constructor (t: Test, name: string, cwd: string) {
    this.#t = t
    this.name = name
    this.#cwd = cwd
  }

  /** Runs the command in the head of a file, with further arguments. The end of the test kills the program. */
  run (file: string, env: Env = {}, ...more: string[]): Program {
    const [name = '', ...args] = commandOf(this.name, file).split(' ')
    const options = { cwd: this.#cwd, env: { ...ENVIRONMENT, ...env } }
    const child = spawn(name === 'node' ? process.execPath : name, [...args, ...more], options)
    this.#t.teardown(() => child.kill('SIGKILL'))
    return new Program(child)
  }
}

/** A process and its output. */
export class Program {
  /** Standard output and standard error. */
  output = ''
  /** Standard output only. */
  stdout = ''
  readonly #child: ChildProcessWithoutNullStreams
  /** Undefined until the process has ended and all of its output has been read. */
  #code: number | null | undefined

  constructor (child: ChildProcessWithoutNullStreams) {
    this.#child = child
    child.once('close', (code) => { this.#code = code })
    // A missing program emits only `error`, then `close`.
    child.once('error', (error) => { this.output += String(error) })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { this.output += chunk.toString() })
    child.stdout.on('data', (chunk: Buffer) => { this.stdout += chunk.toString() })
  }

  /** Resolves with the first group of the pattern as soon as the output matches. */
  async waitForOutput (pattern: RegExp): Promise<string> {
    await until(() => pattern.test(this.output) || this.#code !== undefined, `${pattern.source} in the output of the program`, PROGRAMS_MS)
    const found = pattern.exec(this.output)
    if (found === null) {
      throw new Error(`The program ended without ${pattern.source} (npm run build comes first): ${this.output}`)
    }
    return found[1] ?? ''
  }

  /** Resolves with the exit code: null after a kill, below 0 for a missing program. */
  async exitCode (): Promise<number | null> {
    await until(() => this.#code !== undefined, 'the end of the program', PROGRAMS_MS)
    return this.#code ?? null
  }

  /** Resolves with the exit code after Ctrl+C or a kill. */
  stop (signal: 'SIGINT' | 'SIGTERM' = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal)
    return this.exitCode()
  }
}

/** Returns the command in the head of a file of an example. */
export function commandOf (name: string, file: string): string {
  const [, command] = /^(?:\/\/|#) {3}(\S.*)$/m.exec(readFileSync(packagePath('examples', name, file), 'utf8')) ?? []
  if (command === undefined) throw new Error(`Write the command of examples/${name}/${file} in its head.`)
  return command
}

/** Creates a folder outside of the checkout. The end of the test removes the folder. */
export async function temporaryFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hub-example-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Copies an example into a new project with only the packages that examples may import. */
export async function projectWith (t: Test, name: string): Promise<string> {
  const project = await temporaryFolder(t)
  await writeFile(join(project, 'package.json'), '{ "name": "shop", "private": true, "type": "module" }')
  await cp(packagePath('examples', name), join(project, 'examples', name), { recursive: true })
  await mkdir(join(project, 'node_modules'))
  for (const one of PACKAGES) await symlink(one === 'fastify-hub' ? packagePath() : packagePath('node_modules', one), join(project, 'node_modules', one))
  return project
}

/**
 * The reason to skip a test that needs a program, with the remedy. False if the program exists, and in CI, where the test
 * fails without the program.
 */
export function programMissing (program: string): string | false {
  const isThere = spawnSync(program, ['--version']).error === undefined
  return isThere || process.env.CI === 'true' ? false : `There is no ${program} here: apt-get install ${program} (Debian).`
}
