import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packagePath } from '../../services/cli/package.ts'

/** A program with its leading arguments; a text is the reason why there is none. */
export type Installed = { readonly command: string, readonly args: readonly string[] } | string

const ADAPTERS = packagePath('test', 'clients', 'adapters')
/** What is installed here stays for the next run. */
const CACHE = packagePath('.cache', 'clients')
const LIMIT_MS = 150_000

let python: string | undefined

/** Installs the packages of requirements.txt into a virtual environment, and returns an adapter that uses them. */
export function pythonPackages (adapter: string): Installed {
  const folder = join(CACHE, 'python')
  python ??= installPython(folder)
  return python === '' ? { command: join(folder, 'bin', 'python'), args: [join(ADAPTERS, 'python', adapter)] } : python
}

/** Compiles a module in adapters/go. */
export function goProgram (name: string): Installed {
  const path = join(CACHE, `go-${name}`)
  const failure = run('go', ['build', '-o', path, '.'], join(ADAPTERS, 'go', name))
  return failure === '' ? { command: path, args: [] } : failure
}

/** Returns '' or the reason of the failure. A marker in the folder names the list of packages that is installed. */
function installPython (folder: string): string {
  const list = join(ADAPTERS, 'python', 'requirements.txt')
  const marker = join(folder, 'installed')
  const digest = createHash('sha256').update(readFileSync(list)).digest('hex')
  if (existsSync(marker) && readFileSync(marker, 'utf8') === digest) return ''
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', list]
  const failure = run('python3', ['-m', 'venv', folder], CACHE) || run(join(folder, 'bin', 'python'), pip, CACHE)
  if (failure === '') writeFileSync(marker, digest)
  return failure
}

/** Runs a program. Returns '' or the reason of the failure, in one line. */
function run (command: string, args: readonly string[], cwd: string): string {
  const { error, status, stderr, stdout } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: LIMIT_MS })
  if (error !== undefined) return `there is no ${command}: ${error.message}`
  if (status === 0) return ''
  const [last = ''] = `${stdout}\n${stderr}`.trim().split('\n').slice(-1)
  return `${command} has failed with ${String(status)}: ${last}`
}
