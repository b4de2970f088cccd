// Packs the package and uses it from a project of its own.
//
//   HUB_PACKING=full node scripts/test.js test/package/package.test.ts
//
// In `npm test` the project gets a copy of the packed files, and the dependencies that package.json names are links to those
// of this repository, and the compiler checks no libraries that import no other package. The full form installs the tarball
// with its dependencies from the registry, and checks the declarations of all libraries. The file takes over 10 s because
// npm packs the package and the compiler checks two applications and the declarations of their libraries.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, copyFile, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import type { CompilerHost, Diagnostic, Program, SourceFile } from 'typescript'
import { packagePath, packageVersion } from '../../services/cli/package.ts'
import { PROGRAMS_MS, until } from '../support/until.ts'

// `import` would pass the compiler through the loader of the tests, which takes over a second.
const ts = createRequire(import.meta.url)('typescript') as typeof import('typescript')
const PROJECT = packagePath('test', 'package', 'project')
/** Without what configures the service or belongs to the test runner. */
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(HUB_|NODE_|TAP_|_TAPJS)/.test(name)))
const isCi = process.env.CI === 'true'
const isFull = process.env.HUB_PACKING === 'full'
const NOT_REACHED = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|ENOTCACHED|E5\d\d)\b/

/** An application that gives the hub's inner names to things of its own. Not a file, or it would declare them for this repository too. */
const OWN_NAMES = `
import Fastify, { type FastifyRequest } from 'fastify'
import fastifyHub from 'fastify-hub'

declare module 'fastify' {
  interface FastifyInstance { authenticate: (request: FastifyRequest) => Promise<void>, authorize: number }
  interface FastifyRequest { identity: { id: number } }
}

const app = Fastify()
app.decorate('authenticate', async (request) => { request.identity = { id: 1 } })
await app.register(fastifyHub, { auth: { secret: 'x'.repeat(32) } })
app.get('/', { preHandler: app.authenticate }, async ({ identity }) => identity.id + app.hub.size)
`

/** Runs a program to its end; rejects with what it wrote when it fails. */
async function run (cwd: string, program: string, args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { cwd, env: ENVIRONMENT, maxBuffer: 2 ** 24 })).stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string, stderr?: string }
    throw new Error(`${program} ${args.join(' ')}\n${stdout}${stderr}`, { cause: error })
  }
}

const npm = (cwd: string, ...args: string[]) => run(cwd, 'npm', ['--loglevel=error', ...args])

interface Packed { readonly folder: string, readonly tarball: string, readonly files: readonly string[] }

/** Packs the package into a folder of its own, gone when the test ends. */
async function pack (t: Test): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-hub-package-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  if (!existsSync(packagePath('dist', 'index.js'))) await npm(packagePath(), 'run', 'build')
  // Its scripts would build again, under the hands of tests that use dist/ at this moment.
  const [info] = JSON.parse(await npm(packagePath(), 'pack', '--json', '--ignore-scripts', ...(isFull ? ['--pack-destination', folder] : ['--dry-run']))) as [{ filename: string, files: Array<{ path: string }> }]
  return { folder, tarball: join(folder, info.filename), files: info.files.map(({ path }) => path) }
}

/** Does what npm would do with the tarball: the packed files, the dependencies that package.json names, and the commands. */
async function link ({ folder, files }: Packed): Promise<void> {
  const modules = join(folder, 'node_modules')
  for (const path of files) {
    await mkdir(dirname(join(modules, 'fastify-hub', path)), { recursive: true })
    await copyFile(packagePath(path), join(modules, 'fastify-hub', path))
  }
  const { dependencies, bin } = JSON.parse(await readFile(packagePath('package.json'), 'utf8')) as { dependencies: Record<string, string>, bin: Record<string, string> }
  // npm installs the types of Node as well, because those of `ws` depend on them.
  for (const name of [...Object.keys(dependencies), '@types/node']) {
    await mkdir(dirname(join(modules, name)), { recursive: true })
    await symlink(packagePath('node_modules', name), join(modules, name))
  }
  await mkdir(join(modules, '.bin'))
  for (const [name, path] of Object.entries(bin)) {
    await chmod(join(modules, 'fastify-hub', path), 0o755)
    await symlink(join('..', 'fastify-hub', path), join(modules, '.bin', name))
  }
}

/** Makes an empty project with the package in it; answers false when the registry could not be asked for its dependencies. */
async function install (packed: Packed): Promise<boolean> {
  const { folder, tarball } = packed
  await cp(PROJECT, folder, { recursive: true })
  await writeFile(join(folder, 'own-names.ts'), OWN_NAMES)
  await writeFile(join(folder, 'own-names.json'), '{ "extends": "./tsconfig.json", "files": ["own-names.ts"], "compilerOptions": { "skipLibCheck": true } }')
  await writeFile(join(folder, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }')
  if (!isFull) {
    await link(packed)
    return true
  }
  try {
    await npm(folder, 'install', tarball, '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', `--fetch-retries=${isCi ? 2 : 0}`)
    return true
  } catch (error) {
    if (!isCi && error instanceof Error && NOT_REACHED.test(error.message)) return false
    throw error
  }
}

/** Libraries that import no other package: a change of this package causes no error in their declarations alone. */
const STANDALONE = /\/node_modules\/(typescript|@types\/node|undici-types|@sinclair\/typebox)\//

/** Parsed once for both applications. */
const parsed = new Map<string, SourceFile | undefined>()

/** Loads the application of a tsconfig file, as `tsc -p` does. */
function load (config: string): Program {
  const onUnRecoverableConfigFileDiagnostic = (fault: Diagnostic) => { throw new Error(describe([fault])) }
  const command = ts.getParsedCommandLineOfConfigFile(config, {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic })
  if (command === undefined) throw new Error(`${config} was not read`)
  const host = ts.createCompilerHost(command.options)
  const getSourceFile: CompilerHost['getSourceFile'] = (name, ...rest) => {
    if (!parsed.has(name)) parsed.set(name, host.getSourceFile(name, ...rest))
    return parsed.get(name)
  }
  return ts.createProgram({
    rootNames: command.fileNames,
    options: command.options,
    host: { ...host, getSourceFile },
    configFileParsingDiagnostics: command.errors
  })
}

/** Returns the errors of an application and its libraries; '' without an error. */
function check (program: Program): string {
  const files = program.getSourceFiles().filter(({ fileName }) => isFull || !STANDALONE.test(fileName))
  return describe([
    ...program.getConfigFileParsingDiagnostics(),
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...files.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])
  ])
}

function describe (faults: readonly Diagnostic[]): string {
  const host = { getCanonicalFileName: (name: string) => name, getCurrentDirectory: packagePath, getNewLine: () => '\n' }
  return ts.formatDiagnostics(faults, host)
}

const packed = await pack(t)

t.test('the tarball has what is needed and nothing else', async (t) => {
  for (const needed of ['dist/index.js', 'dist/index.d.ts', 'dist/server.js', 'config.yml', 'public/index.html', 'package.json', 'README.md', 'LICENSE']) {
    t.ok(packed.files.includes(needed), needed)
  }
  t.same(packed.files.filter((path) => !/^(dist\/.+\.(js|d\.ts)|public\/.+|docs\/.+\.(md|png|svg)|config\.yml|package\.json|scripts\/prestart\.js|LICENSE|(README|CHANGELOG|SECURITY)\.md)$/.test(path)), [])
  const registry = (await npm(packed.folder, 'config', 'get', 'registry')).trim().replace(/\/$/, '')
  for (const [what, text] of Object.entries({ 'the folder of the repository': packagePath(), 'a home folder': homedir(), 'the registry': registry, 'a source map': 'sourceMappingURL' })) {
    const found: string[] = []
    for (const path of packed.files) if ((await readFile(packagePath(path), 'latin1')).includes(text)) found.push(path)
    t.same(found, [], `${what} is not named`)
  }
})

t.test('works where it is installed', async (t) => {
  const { folder } = packed
  if (!await install(packed)) return t.plan(0, 'the registry was not reached; with it, `HUB_PACKING=full node scripts/test.js test/package/package.test.ts` installs the package like anybody else')
  const inProject = (...args: string[]) => run(folder, process.execPath, args)

  await t.test('in TypeScript with everything strict, libraries included', async (t) => {
    const program = load(join(folder, 'tsconfig.json'))
    t.equal(check(program), '')
    program.emit(program.getSourceFile(join(folder, 'app.ts')))
    t.equal(await inProject('built/app.js'), 'ok\n')
  })

  await t.test('beside names of its own in TypeScript', async (t) => {
    t.equal(check(load(join(folder, 'own-names.json'))), '')
  })

  await t.test('in CommonJS', async (t) => {
    t.equal(await inProject('app.cjs'), 'hello\n')
  })

  await t.test('as a program', async (t) => {
    t.equal(await npm(folder, 'exec', '--offline', '--', 'fastify-hub', '--version'), `${packageVersion()}\n`)
    const child = spawn(join(folder, 'node_modules', '.bin', 'fastify-hub'), ['--port', '0'], { cwd: folder, env: ENVIRONMENT })
    t.teardown(() => child.kill('SIGKILL'))
    let output = ''
    child.stderr.on('data', (chunk: Buffer) => { output += chunk.toString() })
    await until(() => /Console +http/.test(output) || child.exitCode !== null, 'the start-up lines', PROGRAMS_MS)
    const [, origin = ''] = /Console +(http:\/\/[^/]+)\//.exec(output) ?? []
    t.match(await (await fetch(origin)).text(), /<title>/, 'the console is there')
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    t.same(await exit, [0, null])
  })
})
