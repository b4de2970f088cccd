// Starts the service from a clone and from an unpacked package, as users do.
//
//   HUB_PACKING=full node scripts/test.js test/package/start.test.ts
//
// In `npm test` the packages are links to those of this repository. The full form installs them with `npm ci` from the
// registry, and builds again after a change. The file takes over 10 s because the clone is built.

import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync, utimesSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { packagePath } from '../../services/cli/package.ts'
import { SECRET, TestClient, token } from '../support/helper.ts'
import { PROGRAMS_MS, until } from '../support/until.ts'

const isFull = process.env.HUB_PACKING === 'full'
/** Without variables of the hub, of the test runner and of npm, which may run the tests. */
const ENVIRONMENT = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(HUB_|NODE_|TAP_|_TAPJS|npm_)/i.test(name))),
  HUB_AUTH_SECRET: SECRET, HUB_SERVER_PORT: '0', HUB_ENGINE_KIND: 'memory'
}

async function run (cwd: string, program: string, ...args: string[]): Promise<string> {
  return (await promisify(execFile)(program, args, { cwd, env: ENVIRONMENT, maxBuffer: 2 ** 24 })).stdout
}

async function temporaryFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-hub-start-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function copyFiles (paths: readonly string[], to: string): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(to, path)), { recursive: true })
    await copyFile(packagePath(path), join(to, path))
  }
}

/** Starts the service with a command, and checks that a SIGTERM to this command ends the service with a drain. */
async function startAndStop (t: Test, cwd: string, ...[program = '', ...args]: string[]): Promise<void> {
  const child = spawn(program, args, { cwd, env: ENVIRONMENT, detached: true })
  // The group has the children of the command as well.
  t.teardown(() => { try { process.kill(-(child.pid ?? 0), 'SIGKILL') } catch { /* All have ended. */ } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString() })
  await until(() => /listening at http/.test(output) || child.exitCode !== null, 'the start of the service', PROGRAMS_MS)
  const [, origin = ''] = /listening at (http:[^"\s]+)/.exec(output) ?? []
  t.not(origin, '', output)
  const client = new TestClient(new WebSocket(`${origin.replace('http', 'ws')}/admin/ws?token=${token()}`))
  await client.next()
  const [closed, exit] = [client.closed(), once(child, 'exit')]
  child.kill('SIGTERM')
  t.match(await closed, { code: 1012 }, 'the service drains')
  t.same(await exit, [0, null], 'and the command ends with its code')
  await t.rejects(fetch(origin), 'nothing listens any more')
}

const isCheckout = spawnSync('git', ['rev-parse'], { cwd: packagePath() }).status === 0

t.test('a clone: `npm ci` and `npm start`', { skip: isCheckout ? false : 'This is no checkout of git.' }, async (t) => {
  const folder = await temporaryFolder(t)
  const listed = await run(packagePath(), 'git', 'ls-files', '--cached', '--others', '--exclude-standard')
  await copyFiles(listed.split('\n').filter((path) => path !== '' && existsSync(packagePath(path))), folder)
  if (isFull) await run(folder, 'npm', 'ci', '--no-audit', '--no-fund')
  else await symlink(packagePath('node_modules'), join(folder, 'node_modules'))
  const server = join(folder, 'dist', 'server.js')
  const builtAt = (): number => statSync(server).mtimeMs
  t.notOk(existsSync(server), 'the installation builds nothing')

  await startAndStop(t, folder, 'npm', 'start')
  const first = builtAt()
  await run(folder, process.execPath, 'scripts/prestart.js')
  t.equal(builtAt(), first, 'nothing has changed, so nothing is built')

  if (isFull) {
    const later = new Date(first + 1000)
    utimesSync(join(folder, 'services', 'hub', 'hub.ts'), later, later)
    await run(folder, process.execPath, 'scripts/prestart.js')
    t.ok(builtAt() > first, 'dist/ is older than a source, so it is built')
    await rm(join(folder, 'dist'), { recursive: true })
    await run(folder, 'npm', 'pack', '--dry-run')
    t.ok(existsSync(server), '`npm pack` builds')
  }

  await t.test('without the compiler', async (t) => {
    if (!isFull) await rm(join(folder, 'node_modules'))
    else await rm(join(folder, 'node_modules', 'typescript'), { recursive: true })
    const newest = new Date(Date.now() + 60_000)
    utimesSync(join(folder, 'app.ts'), newest, newest)
    t.equal(await run(folder, process.execPath, 'scripts/prestart.js'), '', 'the present dist/ is used')
    await rm(join(folder, 'dist'), { recursive: true })
    await t.rejects(run(folder, process.execPath, 'scripts/prestart.js'), { code: 1, stderr: /dist\/ is missing, .*npm ci and npm run build/ })
  })
})

t.test('an unpacked package: `npm ci --omit=dev` and `node dist/server.js`', async (t) => {
  const folder = await temporaryFolder(t)
  if (!existsSync(packagePath('dist', 'server.js'))) await run(packagePath(), 'npm', 'run', 'build')
  // The scripts of the package would build again, under the hands of tests that use dist/ at this moment.
  const [{ files }] = JSON.parse(await run(packagePath(), 'npm', 'pack', '--dry-run', '--json', '--ignore-scripts')) as [{ files: Array<{ path: string }> }]
  await copyFiles(files.map(({ path }) => path), folder)
  if (isFull) {
    await copyFile(packagePath('package-lock.json'), join(folder, 'package-lock.json'))
    await run(folder, 'npm', 'ci', '--omit=dev', '--no-audit', '--no-fund')
    t.notOk(existsSync(join(folder, 'node_modules', 'typescript')))
  } else {
    const { dependencies } = JSON.parse(await readFile(packagePath('package.json'), 'utf8')) as { dependencies: Record<string, string> }
    for (const name of Object.keys(dependencies)) {
      await mkdir(dirname(join(folder, 'node_modules', name)), { recursive: true })
      await symlink(packagePath('node_modules', name), join(folder, 'node_modules', name))
    }
  }
  await startAndStop(t, folder, process.execPath, 'dist/server.js')
  await startAndStop(t, folder, 'npm', 'start')
})
