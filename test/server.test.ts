import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { packagePath, packageVersion } from '../services/package.ts'
import { GREETING, SECRET, TestClient, until } from './helper.ts'

const PROGRAM = packagePath('dist', 'server.js')

/** An environment in which nothing of this machine's configures the service. */
function environment (more: Record<string, string>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HUB_') && name !== 'NODE_ENV')
  return { ...Object.fromEntries(inherited), ...more }
}

async function folder (t: Test, files: Record<string, string> = {}): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), 'fastify-hub-'))
  t.teardown(() => rm(cwd, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text)
  return cwd
}

/** Runs the program to its end. */
async function run (t: Test, args: string[], { env = {}, files = {} }: { env?: Record<string, string>, files?: Record<string, string> } = {}) {
  const cwd = await folder(t, files)
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd, env: environment(env) })
  t.teardown(() => child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => { stdout += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString() })
  const [code] = await once(child, 'close') as [number | null]
  return { code, stdout, stderr }
}

/** Starts the service and waits for its start-up lines. */
async function start (t: Test, { args = [], env = {}, files = {} }: { args?: string[], env?: Record<string, string>, files?: Record<string, string> } = {}) {
  const cwd = await folder(t, files)
  const child: ChildProcess = spawn(process.execPath, [PROGRAM, '--port', '0', ...args], { cwd, env: environment(env) })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => { output += chunk.toString() })
  child.stderr?.on('data', (chunk: Buffer) => { output += chunk.toString() })
  await until(() => /\n {2}(The token above|Make a token) .*\n/.test(output) || child.exitCode !== null, 'the start-up lines')
  const [, token = ''] = /Bearer ([\w.-]+)/.exec(output) ?? []
  const [, origin = ''] = /Console +(http:[^/]+\/\/[^/]+)\//.exec(output) ?? /POST (http:\/\/[^/]+)\//.exec(output) ?? []
  return { child, output: () => output, token, origin, url: `${origin.replace('http', 'ws')}/admin/ws?token=${token}` }
}

t.test('starts with nothing configured, and prints what a person needs', async (t) => {
  const service = await start(t)
  const output = service.output()
  t.match(output, new RegExp(`fastify-hub ${packageVersion()}`))
  t.match(output, /WebSocket {2}ws:\/\/127\.0\.0\.1:\d+\/admin\/ws\?token=…/)
  t.match(output, /Console {4}http:\/\/127\.0\.0\.1:\d+\/#token=[\w.-]+&path=%2Fadmin%2Fws\n/)
  t.match(output, /No auth\.secret is configured: one was made at random for this run/)

  const client = new TestClient(new WebSocket(service.url))
  t.teardown(() => client.socket.terminate())
  t.equal(await client.next(), GREETING)
  const [curl = ''] = /curl .*/.exec(output) ?? []
  const { stdout } = await promisify(execFile)('bash', ['-c', curl.replace('curl', 'curl -s')])
  t.match(JSON.parse(stdout), { matched: 1, written: 1, behind: 0 }, 'the printed command works as it is')
  t.equal(await client.next(), 'hello')
  t.match(await (await fetch(`${service.origin}/`)).text(), /<title>/)
})

t.test('leaves in order on SIGTERM: clients are told, exit code 0', async (t) => {
  const { child, url, output } = await start(t)
  const client = new TestClient(new WebSocket(url))
  await client.next()
  const closed = client.closed()
  child.kill('SIGTERM')
  t.same(await closed, { code: 1012, reason: 'service restart' })
  const [code] = await once(child, 'exit') as [number]
  t.equal(code, 0)
  t.match(output(), /the service stops/)
})

t.test('a request that hangs does not keep the service from leaving', async (t) => {
  const { child, origin, token } = await start(t, { env: { HUB_WEBSOCKET_DRAIN_GRACE: '200ms' } })
  const { port } = new URL(origin)
  const socket = connect(Number(port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {}) // It is cut off; that is the point.
  await once(socket, 'connect')
  socket.write(`POST /broadcast HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{`)
  const started = Date.now()
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit') as [number]
  t.equal(code, 0)
  t.ok(Date.now() - started < 3000)
})

t.test('a mistake in the configuration is shown with its place, all of them, and nothing starts', async (t) => {
  const { code, stdout, stderr } = await run(t, [], { files: { 'config.yml': 'server:\n  port: abc\n  hots: 0.0.0.0\nwebsocket:\n  pingPeriod: soon\n' } })
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, /^config\.yml:2:9 server\.port: /m)
  t.match(stderr, /^config\.yml:3:\d+ server\.hots: unknown key, did you mean "host"\?/m)
  t.match(stderr, /^config\.yml:5:\d+ websocket\.pingPeriod: /m)
  t.notMatch(stderr, /at .*\.js/, 'no stack')
})

t.test('flags win over the environment, that over the file, that over the defaults', async (t) => {
  const files = { 'config.yml': 'server:\n  host: 127.0.0.2\n  port: 1111\nwebsocket:\n  path: /from-file\n' }
  const { code, stdout } = await run(t, ['--print-config', '--port', '3333'], { files, env: { HUB_SERVER_PORT: '2222', HUB_SERVER_HOST: '127.0.0.3', HUB_AUTH_SECRET: SECRET } })
  t.equal(code, 0)
  t.match(stdout, /host: 127\.0\.0\.3/)
  t.match(stdout, /port: 3333/)
  t.match(stdout, /path: \/from-file/)
  t.match(stdout, /pingPeriod: 20s/)
  t.notOk(stdout.includes(SECRET), 'secrets are masked')
})

t.test('--check-config, --version and --help answer and exit', async (t) => {
  t.match(await run(t, ['--check-config']), { code: 0, stdout: 'The defaults: the configuration is valid.\n' })
  t.match(await run(t, ['--check-config', '--config', 'other.yml'], { files: { 'other.yml': 'api: false\n' } }), { code: 0, stdout: 'other.yml: the configuration is valid.\n' })
  t.match(await run(t, ['--check-config', '--config', 'missing.yml']), { code: 1, stderr: /missing\.yml/ })
  t.match(await run(t, ['--version']), { code: 0, stdout: `${packageVersion()}\n` })
  t.match(await run(t, ['--help']), { code: 0, stdout: /--check-config/ })
})

t.test('what makes no sense on the command line is said in a sentence', async (t) => {
  for (const args of [['--prot', '1'], ['serve'], ['token'], ['token', '--user', ''], ['--user', 'alice'], ['token', 'x', '--user', 'a'], ['--port', '99999'], ['--port', 'x']]) {
    const { code, stdout, stderr } = await run(t, args, { env: { HUB_AUTH_SECRET: SECRET } })
    t.equal(code, 1, args.join(' '))
    t.equal(stdout, '')
    t.ok(stderr.trim().length > 10 && !stderr.includes('    at '), stderr)
  }
})

t.test('token prints a token that the service takes', async (t) => {
  const env = { HUB_AUTH_SECRET: SECRET }
  const { origin, output } = await start(t, { env })
  t.match(output(), /Make a token with the configured secret: fastify-hub token/)
  t.notMatch(output(), /eyJ/, 'a token that lasts is shown to persons only, not to what collects the output')
  const { code, stdout } = await run(t, ['token', '--user', 'alice', '--role', 'admin', '--ttl', '5m'], { env })
  t.equal(code, 0)
  const list = async (token: string) => (await fetch(`${origin}/clients`, { headers: { authorization: `Bearer ${token}` } })).status
  t.equal(await list(stdout.trim()), 200)
  t.equal(await list((await run(t, ['token', '--user', 'bob'], { env })).stdout.trim()), 403)
  t.match(await run(t, ['token', '--user', 'alice']), { code: 1, stderr: /There is no auth\.secret/ })
  t.match(await run(t, ['token', '--user', 'alice', '--ttl', 'soon'], { env }), { code: 1, stderr: /--ttl must be a duration/ })
})

t.test('a port that is taken is said in a sentence', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { code, stderr } = await run(t, ['--port', String((server.address() as AddressInfo).port)])
  t.equal(code, 1)
  t.match(stderr, /EADDRINUSE.*Choose another port with --port/)
})

t.test('demo mode warns, and is refused in production', async (t) => {
  const { output } = await start(t, { env: { HUB_AUTH_MODE: 'demo' } })
  t.match(output(), /auth\.mode is demo: any token of at least 20 characters may connect/)
  t.match(await run(t, [], { env: { HUB_AUTH_MODE: 'demo', NODE_ENV: 'production' } }), { code: 1, stderr: /auth\.mode|HUB_AUTH_MODE/ })
})

t.test('a variable that means nothing is warned of', async (t) => {
  t.match(await run(t, ['--check-config'], { env: { HUB_SERVER_PROT: '1' } }), { code: 0, stderr: /HUB_SERVER_PROT.*HUB_SERVER_PORT/ })
})
