// Takes over 10 s: the real program starts ten times.

import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { main } from '../../services/cli/main.ts'
import { api, SECRET } from '../support/helper.ts'
import { folderWith, spawnProgram, spawnService } from '../support/service.ts'

/** A port on which another program listens. */
async function takenPort (t: Test): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return String((server.address() as AddressInfo).port)
}

/** The files of a folder, each with a digest of its content. */
function contentOf (folder: string): Record<string, string> {
  const digest = (name: string) => createHash('sha256').update(readFileSync(join(folder, name))).digest('hex')
  return Object.fromEntries(readdirSync(folder).sort().map((name) => [name, digest(name)]))
}

t.test('a start that fails ends with one sentence and exit code 1, and leaves the data folder as it was', async (t) => {
  const env = { HUB_AUTH_SECRET: SECRET }
  const cwd = await folderWith(t, { 'bad.yml': 'server:\n  port: abc\n' })
  const data = join(cwd, 'data')
  const first = await spawnService(t, { cwd })
  const { body: { offset } } = await api(first.origin, 'POST', '/users/bob/messages', { message: 'kept' })
  first.child.kill('SIGTERM')
  t.equal((await first.exit).code, 0)
  const before = contentOf(data)

  const port = await takenPort(t)
  const failures: Array<[args: string[], stderr: RegExp, env?: Record<string, string>]> = [
    [['--port', port], /^The service cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\): another program listens there\. Choose another port with --port .*\n$/],
    [['--port', port], /EADDRINUSE/],
    [['--port', port], /EADDRINUSE/],
    [['--port', '0', '--host', '203.0.113.7'], /^The service cannot listen on 203\.0\.113\.7(:\d+)? \(EADDRNOTAVAIL\): this machine does not have the address\. .*--host.*\n$/],
    [['--port', '0', '--host', 'no-such-host.invalid'], /^The service cannot listen on no-such-host\.invalid \((ENOTFOUND|EAI_AGAIN)\): .*--host.*\n$/],
    [['--config', 'bad.yml'], /^bad\.yml:2:9 server\.port: must be .*\n$/],
    [['--prot', '1'], /^There is no flag --prot, did you mean "--port"; see --help\.\n$/],
    [[], /^There is no auth\.secret, and NODE_ENV is production: .*\n$/, { NODE_ENV: 'production' }]
  ]
  for (const [args, stderr, variables = env] of failures) {
    const { exit } = await spawnProgram(t, args, { cwd, env: variables })
    t.match(await exit, { code: 1, stdout: '', stderr })
  }
  t.same(contentOf(data), before)

  const again = await spawnService(t, { cwd })
  t.equal((await api(again.origin, 'GET', `/messages/${String(offset)}`)).status, 200)
  t.notMatch(again.output.stdout, /"level":[45]0/, 'the next start is an ordinary one')
})

t.test('a start whose folder cannot be used ends with one sentence and exit code 1', async (t) => {
  const cwd = await folderWith(t, { file: '' })
  await chmod(cwd, 0o755)
  await mkdir(join(cwd, 'read-only'), { mode: 0o555 })
  const isRoot = process.getuid?.() === 0
  // Permissions do not hold for root.
  const user = isRoot ? { uid: 65534, gid: 65534 } : {}
  const failures: Array<[path: string, stderr: RegExp]> = [
    ['file', /^The folder .*file cannot be made \(.*\); choose another with engine\.path, or make it writable\.\n$/],
    ['read-only', /^The folder .*read-only cannot be locked \(.*EACCES.*\); it must be on a local disk, writable, and allow Unix sockets\.\n$/],
    ['read-only/data', /^The folder .*data cannot be made \(.*EACCES.*\); choose another with engine\.path, or make it writable\.\n$/]
  ]
  await Promise.all(failures.map(async ([path, stderr]) => {
    const env = { HUB_AUTH_SECRET: SECRET, HUB_ENGINE_PATH: path }
    const { exit } = await spawnProgram(t, ['--port', '0'], { cwd, env, ...user })
    t.match(await exit, { code: 1, stdout: '', stderr })
  }))
  t.same(readdirSync(join(cwd, 'read-only')), [])
})

t.test('errors of the system, and flags that do not exist, are explained in one sentence', async (t) => {
  const sentence = async (args: string[], fields: object = {}) => {
    let stderr = ''
    const ignored = { write: () => {} }
    const serve = () => Promise.reject(Object.assign(new Error('the text of the system'), fields))
    const code = await main(args, { stdout: ignored, stderr: { write: (text) => { stderr += text } }, env: {}, serve })
    return { code, stderr }
  }
  const listen = { syscall: 'listen', address: '127.0.0.1', port: 80 }
  t.match(await sentence([], { code: 'EACCES', ...listen }), {
    code: 1, stderr: /^The service cannot listen on 127\.0\.0\.1:80 \(EACCES\): this user may not use the port\. Choose one of at least 1024 .*\n$/
  })
  const lookup = { syscall: 'getaddrinfo', hostname: 'hub.example' }
  t.match(await sentence([], { code: 'EAI_AGAIN', ...lookup }), { code: 1, stderr: /^The service cannot listen on hub\.example \(EAI_AGAIN\): .*\n$/ })
  t.same(await sentence([], { code: 'EPIPE', syscall: 'write' }), { code: 1, stderr: 'the text of the system\n' })
  t.same(await sentence(['--websocket.pingPeriod=1s']), { code: 1, stderr: 'The key websocket.pingPeriod has no flag: set HUB_WEBSOCKET_PING_PERIOD, or the key in config.yml.\n' })
  t.same(await sentence(['-x']), { code: 1, stderr: 'There is no flag -x; see --help.\n' })
  t.match(await sentence(['--port']), { code: 1, stderr: /^Option '--port <value>' argument missing; see --help\.\n$/ })
})
