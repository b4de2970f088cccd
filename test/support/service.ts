import { spawn, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { packagePath } from '../../services/cli/package.ts'
import { SECRET } from './helper.ts'
import { PROGRAMS_MS, until } from './until.ts'

const PROGRAM = packagePath('dist', 'server.js')

/** Surroundings of a spawned program. */
export interface SpawnInput extends Pick<SpawnOptions, 'uid' | 'gid'> {
  readonly env?: Record<string, string>
  /** The working directory. Default: a new folder. */
  readonly cwd?: string
  /** A program that starts the program, with its arguments: `['nohup']`. */
  readonly wrap?: readonly string[]
  /** Whether the program runs in a terminal, which ends with `child`; `stdout` and `stderr` have the same output. */
  readonly terminal?: boolean
  /** Options of Node. */
  readonly nodeArgs?: readonly string[]
}

/** Returns an environment without the variables of this machine that configure the service. */
function environment (variables: Record<string, string>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HUB_') && name !== 'NODE_ENV')
  return { ...Object.fromEntries(inherited), ...variables }
}

/** Creates a folder with files; the end of the test removes the folder. */
export async function folderWith (t: Test, files: Record<string, string> = {}): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), 'fastify-hub-'))
  t.teardown(() => rm(cwd, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text)
  return cwd
}

/** Spawns the built program. `exit` resolves with the exit code or the signal, and the whole output. */
export async function spawnProgram (t: Test, args: readonly string[], input: SpawnInput = {}) {
  const { env = {}, cwd = await folderWith(t), wrap = [], terminal = false, nodeArgs = [], ...options } = input
  const line = [...wrap, process.execPath, ...nodeArgs, PROGRAM, ...args]
  const [command = '', ...rest] = terminal ? ['script', '-qefc', `exec ${line.join(' ')}`, '/dev/null'] : line
  const child = spawn(command, rest, { ...options, cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    output.stdout += chunk.toString()
    if (terminal) output.stderr = output.stdout
  })
  child.stderr.on('data', (chunk: Buffer) => { output.stderr += chunk.toString() })
  const exit = once(child, 'close').then(([code, signal]: Array<number | string | null>) => ({ code: code ?? signal, ...output }))
  return { child, cwd, output, exit }
}

/** Spawns the service on a free port with the secret of the tests, and waits for its banner. */
export async function spawnService (t: Test, { env, ...input }: SpawnInput = {}) {
  const program = await spawnProgram(t, ['--port', '0'], { env: { HUB_AUTH_SECRET: SECRET, ...env }, ...input })
  const { child, output } = program
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  await until(() => /\n {2}[^\n]*(fastify-hub token|valid for) [^\n]*\n/.test(output.stderr) || hasEnded(), 'the banner', PROGRAMS_MS)
  const [, origin = ''] = /Console +(http:\/\/[^/]+)\//.exec(output.stderr) ?? []
  if (origin === '') throw new Error(`The service did not start: ${output.stderr}${output.stdout}`)
  const port = Number(new URL(origin).port)
  return { ...program, origin, port, url: `${origin.replace('http', 'ws')}/admin/ws` }
}
