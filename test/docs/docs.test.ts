// Takes over 10 s because the compiler checks the snippets against the sources, and the tours start ten Node processes
// and wait for the seconds of their `curl` commands. The tours run at the same time.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import type ts from 'typescript'
import { app, serverOptions } from '../../app.ts'
import { CLOSE } from '../../services/model/close-codes.ts'
import { completeConfig } from '../../services/config/load.ts'
import { ERRORS } from '../../services/model/errors.ts'
import { packagePath } from '../../services/cli/package.ts'
import { SECRET } from '../support/helper.ts'
import { PROGRAMS_MS, until } from '../support/until.ts'
import { testFolder } from '../support/test-folder.ts'

const PAGES = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', ...readdirSync(packagePath('docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]

function page (path: string): string {
  return readFileSync(packagePath(path), 'utf8')
}

function json (path: string): Record<string, Record<string, unknown> | undefined> {
  return JSON.parse(page(path)) as Record<string, Record<string, unknown>>
}

/** Returns the groups of each match. */
function rows (text: string, pattern: RegExp): string[][] {
  return [...text.matchAll(pattern)].map(([, ...groups]) => groups)
}

/** Returns language and content of each fenced block of a page. */
function blocks (text: string): string[][] {
  return rows(text, /^```(\w*)\n([^]*?)^```$/gm)
}

/** Returns the anchors that GitHub makes for the headings of a page. */
function anchors (text: string): string[] {
  const headings = rows(text.replace(/^```[^]*?^```$/gm, ''), /^#+ (.*)$/gm).flat()
  return headings.map((heading) => heading.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-'))
}

t.test('the file and the heading of every link exist', async (t) => {
  const broken: string[] = []
  let links = 0
  for (const path of PAGES) {
    const prose = page(path).replace(/^```[^]*?^```$/gm, '')
    for (const [target = ''] of rows(prose, /\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [file = '', anchor] = target.split('#')
      const linked = file === '' ? path : join(dirname(path), file)
      links++
      if (!existsSync(packagePath(linked))) broken.push(`${path}: ${target} does not exist`)
      else if (anchor !== undefined && linked.endsWith('.md') && !anchors(page(linked)).includes(anchor)) broken.push(`${path}: ${target} has no such heading`)
    }
  }
  t.same(broken, [])
  t.ok(links > 100, `${links} links`)
})

t.test('README.md and docs/http-api.md list exactly the endpoints of the service', async (t) => {
  const config = completeConfig({ auth: { secret: SECRET }, engine: { kind: 'memory' }, console: false, logger: { level: 'silent' } })
  const fastify = Fastify(serverOptions(config))
  t.teardown(() => fastify.close())
  const routes = new Set<string>()
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) if (!['HEAD', 'OPTIONS'].includes(each)) routes.add(`${each} ${url}`)
  })
  await fastify.register(app, { config })
  await fastify.ready()

  t.strictSame(rows(page('README.md'), /^\| `([A-Z]+ \/\S*)` \|/gm).flat().sort(), [...routes].sort())
  t.strictSame(rows(page('docs/http-api.md'), /^## ([A-Z]+ \/\S*)$/gm).flat().sort(), [...routes].sort())
})

t.test('docs/http-api.md lists exactly the error codes of services/model/errors.ts', async (t) => {
  t.strictSame(rows(page('docs/http-api.md'), /^\| `(HUB_\w+)` \| (\d+) \|/gm), Object.entries(ERRORS).map(([code, status]) => [code, String(status)]))
})

t.test('README.md and docs/connections.md list the close codes of services/model/close-codes.ts', async (t) => {
  const known = new Map(Object.values(CLOSE).map(({ code, mayRetry }) => [String(code), mayRetry ? 'yes' : 'no']))
  for (const path of ['README.md', 'docs/connections.md']) {
    const listed = new Map(rows(page(path), /^\| (\d{4}) \|.*\| (yes|no)\b[^|]*\|$/gm).map(([code = '', retry = '']) => [code, retry]))
    for (const [code, retry] of listed) if (known.has(code)) t.equal(retry, known.get(code), `${path}: ${code}`)
    t.strictSame([...listed.keys()].filter((code) => code >= '4000'), [...known.keys()].filter((code) => code >= '4000'), `${path}: codes of the hub`)
  }
})

t.test('docs/dependencies.md has a row for each dependency, with its licence', async (t) => {
  const [, atRunTime = '', forDevelopment = ''] = page('docs/dependencies.md').split(/^## /m)
  const { dependencies, devDependencies } = json('package.json')
  for (const [text, named] of [[atRunTime, dependencies], [forDevelopment, devDependencies]] as const) {
    const listed = rows(text, /^\| `(\S+)` \|.*\| (\S+) \| [^|]*\|$/gm)
    t.strictSame(listed, Object.keys(named ?? {}).map((name) => [name, json(`node_modules/${name}/package.json`)['license']]))
  }
})

t.test('no dependency is older than its safe version', async (t) => {
  const safe = { ws: '8.21.1', '@fastify/websocket': '11.3.6', fastify: '5.8.5', '@fastify/static': '10.1.3', 'fast-jwt': '6.2.4' }
  const installed = Object.entries(json('package-lock.json')['packages'] ?? {}) as Array<[path: string, entry: { version: string }]>
  for (const [name, least] of Object.entries(safe)) {
    // A package may be installed in several places.
    const versions = installed.filter(([path]) => path.endsWith(`node_modules/${name}`)).map(([, { version }]) => version)
    t.ok(versions.length > 0, `${name} is in the lock file`)
    for (const version of versions) t.ok(version.localeCompare(least, 'en', { numeric: true }) >= 0, `${name} ${version} is at least ${least}`)
  }
})

/** Declarations for the parts of snippets that belong to the application of the reader. */
const DECLARATIONS = `
declare const sessions: { find (token: string | undefined): Promise<{ userId: string, isOperator: boolean, endsAt: number } | undefined> }
declare function store (user: string, data: string): Promise<void>
declare function tenantOf (user: string): string
declare const id: string
declare const secret: string
`

t.test('every TypeScript snippet compiles against the package', async (t) => {
  const sources = new Map(PAGES.flatMap((path) => blocks(page(path)).flatMap(([language, code = ''], index): Array<[string, string]> => {
    if (language !== 'ts') return []
    const imports = [
      ...(code.includes('import Fastify') ? [] : ["import Fastify from 'fastify'"]),
      ...(code.includes('const app') ? [] : ['const app = Fastify()']),
      ...(code.includes('import { fastifyHub }') ? [] : ["import { fastifyHub } from 'fastify-hub'"]),
      "import fastifyWebsocket from '@fastify/websocket'"
    ]
    return [[packagePath(`${path}.${index}.ts`), `${imports.join('\n')}\n${DECLARATIONS}\n${code}`]]
  })))
  t.ok(sources.size > 10, 'the pages have snippets')
  // `require`, because the loader of the tests would transform an imported compiler, which takes over a second.
  const ts = createRequire(import.meta.url)('typescript') as typeof import('typescript')
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022, lib: ['lib.es2023.d.ts'], module: ts.ModuleKind.NodeNext, strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true, skipLibCheck: true,
    allowImportingTsExtensions: true, types: ['node'], paths: { 'fastify-hub': [packagePath('index.ts')] }
  }
  const disk = ts.createCompilerHost(options)
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (name) => sources.has(name) || disk.fileExists(name),
    readFile: (name) => sources.get(name) ?? disk.readFile(name),
    getSourceFile (name, target) {
      const text = sources.get(name)
      return text === undefined ? disk.getSourceFile(name, target) : ts.createSourceFile(name, text, target)
    }
  }
  const program = ts.createProgram([...sources.keys()], options, host)
  const faults = [...sources.keys()].flatMap((name) => [...ts.getPreEmitDiagnostics(program, program.getSourceFile(name))])
  t.equal(ts.formatDiagnostics(faults, { getCanonicalFileName: (name) => name, getCurrentDirectory: packagePath, getNewLine: () => '\n' }), '')
})

/** Replaces the values that differ from run to run. */
function withoutVariables (line: string): string {
  return line.replace(/"(offset|id|openedAt|oldest|acknowledged|at)":("[^"]*"|\d+)/g, '"$1":…').replace(/^(id|retry|data): \d+$/gm, '$1: …')
}

/** Returns the reason to skip a test, or false if all programs exist. With `CI=true` the test fails instead. */
function missing (...programs: string[]): string | false {
  const absent = programs.filter((program) => spawnSync(program, ['--version']).error !== undefined)
  return absent.length === 0 || process.env['CI'] === 'true' ? false : `There is no ${absent.join(' and no ')} here: install it with the package manager.`
}

const TOURS = [['README.md', 'Five minutes with curl'], ['docs/delivery.md', 'Try it'], ['docs/coming-from-go.md', 'Try it']] as const

t.jobs = TOURS.length
const skip = missing('bash', 'curl')
for (const [path, heading] of TOURS) t.test(`the tour of ${path} prints the documented output in a shell`, { skip }, async (t) => {
  // A folder with links to the files of the checkout, so that the checkout stays clean.
  const cwd = testFolder(t)
  for (const name of ['dist', 'node_modules', 'package.json', 'config.yml']) symlinkSync(packagePath(name), join(cwd, name))
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))

  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HUB_') && name !== 'NODE_ENV')
  const env = { ...Object.fromEntries(inherited), HUB_SERVER_PORT: String(port) }
  const shell = spawn('bash', { cwd, env, detached: true })
  t.teardown(() => {
    try { process.kill(-(shell.pid ?? 0), 'SIGKILL') } catch { /* The group of processes has ended. */ }
  })
  let output = ''
  let errors = ''
  shell.stdout.on('data', (chunk: Buffer) => { output += chunk.toString() })
  shell.stderr.on('data', (chunk: Buffer) => { errors += chunk.toString() })

  const [, tour = ''] = new RegExp(`^## ${heading}$([^]*?)^## `, 'm').exec(page(path)) ?? []
  const expected: string[] = []
  // Two programs write to one terminal: the order of their lines and line ends is random.
  const removeLine = (text: string, line: string) => {
    return text.includes(line) ? text.replace(line, '') : `${text} (missing: ${line})`
  }
  const rest = () => expected.reduce(removeLine, withoutVariables(output)).trim()
  for (const [language, content = ''] of blocks(tour)) {
    if (language === 'sh') {
      shell.stdin.write(content)
      continue
    }
    expected.push(...content.trim().split('\n').map(withoutVariables))
    // The failure of the assertion has more details than the timeout.
    await until(() => rest() === '', content, PROGRAMS_MS).catch(() => {})
    t.equal(rest(), '', content, { errors })
  }
  shell.stdin.end()
  t.strictSame(await once(shell, 'close'), [0, null])
  t.equal(errors, '')
})
