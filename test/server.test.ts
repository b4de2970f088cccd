// Takes over 10 s on a busy machine: some tests start the real program.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { main } from '../services/cli/main.ts'
import { loadConfig, type Config } from '../services/config/load.ts'
import { packagePath, packageVersion } from '../services/cli/package.ts'
import { GREETING, listen, SECRET, TestClient, until } from './support/helper.ts'

const PROGRAM = packagePath('dist', 'server.js')

/** Returns an environment without the variables of this machine that configure the service. */
function environment (variables: Record<string, string>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HUB_') && name !== 'NODE_ENV')
  return { ...Object.fromEntries(inherited), ...variables }
}

async function folder (t: Test, files: Record<string, string> = {}): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), 'fastify-hub-'))
  t.teardown(() => rm(cwd, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text)
  return cwd
}

interface CommandInput {
  env?: Record<string, string>
  files?: Record<string, string>
  isTTY?: boolean
  serve?: (config: Config) => unknown
}

/** Executes a command line in this process, in a new folder. `serve` replaces the start of the service. */
async function command (t: Test, argv: string[], input: CommandInput = {}) {
  const { env = {}, files = {}, isTTY = false, serve = () => t.fail('the service must not start') } = input
  const before = process.cwd()
  process.chdir(await folder(t, files))
  const output = { stdout: '', stderr: '' }
  const collect = (name: keyof typeof output) => ({ isTTY, write: (text: string) => { output[name] += text } })
  try {
    const code = await main(argv, {
      stdout: collect('stdout'),
      stderr: collect('stderr'),
      env,
      serve: async (config) => { await serve(config); return 'http://127.0.0.1:20201' }
    })
    return { code, ...output }
  } finally {
    process.chdir(before)
  }
}

/** Spawns the program. */
async function program (t: Test, args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: await folder(t), env: environment(env) })
  t.teardown(() => child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => { output.stdout += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { output.stderr += chunk.toString() })
  return { child, output, exit: once(child, 'close').then(([code]: Array<number | null>) => ({ code, ...output })) }
}

/** Spawns the service and waits for its banner. */
async function start (t: Test, env: Record<string, string> = {}) {
  const { child, output, exit } = await program(t, ['--port', '0'], env)
  await until(() => /\n {2}(The token above|Make a token) .*\n/.test(output.stdout) || child.exitCode !== null, 'the banner')
  const [, token = ''] = /Bearer ([\w.-]+)/.exec(output.stdout) ?? []
  const [, origin = ''] = /Console +(http:\/\/[^/]+)\//.exec(output.stdout) ?? []
  return { child, output, exit, token, origin, url: `${origin.replace('http', 'ws')}/admin/ws` }
}

t.test('the program starts without configuration, and closes in order on SIGTERM', async (t) => {
  const { child, output, exit, token, origin, url } = await start(t)
  const { stdout } = output
  await t.test('the banner has the addresses, a token and a working command', async (t) => {
    t.match(stdout, new RegExp(`fastify-hub ${packageVersion()}`))
    t.match(stdout, /WebSocket {2}ws:\/\/127\.0\.0\.1:\d+\/admin\/ws\?token=…/)
    t.match(stdout, /Console {4}http:\/\/127\.0\.0\.1:\d+\/#token=[\w.-]+&path=%2Fadmin%2Fws\n/)
    t.match(stdout, /No auth\.secret is configured: one was made at random for this run/)
    const client = new TestClient(new WebSocket(`${url}?token=${token}`))
    t.teardown(() => client.socket.terminate())
    t.equal(await client.next(), GREETING)
    const [curl = ''] = /curl .*/.exec(stdout) ?? []
    const { stdout: response } = await promisify(execFile)('bash', ['-c', curl.replace('curl', 'curl -s')])
    t.match(JSON.parse(response), { matched: 1, written: 1, behind: 0 }, 'the printed command works unchanged')
    t.equal(await client.next(), 'hello')
    t.match(await (await fetch(`${origin}/`)).text(), /<title>/)
  })

  await t.test('a second service on the same port ends with exit code 1 and an error message', async (t) => {
    const second = await program(t, ['--port', new URL(origin).port])
    t.match(await second.exit, { code: 1, stderr: /EADDRINUSE.*Choose another port with --port/ })
  })

  await t.test('on SIGTERM clients get a Close frame, and the exit code is 0', async (t) => {
    const client = new TestClient(new WebSocket(`${url}?token=${token}`))
    await client.next()
    const closed = client.closed()
    child.kill('SIGTERM')
    t.same(await closed, { code: 1012, reason: 'service restart' })
    t.match(await exit, { code: 0, stdout: /the service stops/ })
  })
})

t.test('the program accepts its own tokens, warns of the demo mode, and ends in time despite a pending request', async (t) => {
  const env = { HUB_AUTH_SECRET: SECRET, HUB_AUTH_MODE: 'demo', HUB_WEBSOCKET_DRAIN_GRACE: '200ms' }
  const { child, output, exit, origin } = await start(t, env)
  t.match(output.stdout, /Make a token with the configured secret: fastify-hub token/)
  t.match(output.stdout, /"msg":"auth\.mode is demo: any token of at least 20 characters may connect"/)
  const { code, stdout } = await (await program(t, ['token', '--user', 'alice', '--role', 'admin', '--ttl', '5m'], env)).exit
  t.equal(code, 0)
  t.equal((await fetch(`${origin}/clients`, { headers: { authorization: `Bearer ${stdout.trim()}` } })).status, 200)

  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {}) // The service resets the connection.
  await once(socket, 'connect')
  socket.write(`POST /broadcast HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${stdout.trim()}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{`)
  const started = Date.now()
  child.kill('SIGTERM')
  t.match(await exit, { code: 0 })
  t.ok(Date.now() - started < 3000)
})

t.test('without arguments, files and variables the service starts with the defaults and a random secret', async (t) => {
  const configs: Config[] = []
  const first = await command(t, [], { serve: (config) => configs.push(config) })
  t.match(first, { code: 0, stdout: /has the role admin.*No auth\.secret is configured/s, stderr: /^$/ })
  await command(t, [], { serve: (config) => configs.push(config) })
  const [one, two] = configs.map(({ auth: { secret } }) => secret)
  t.match(one, /^[\w-]{43}$/)
  t.not(one, two)
  const { config: defaults } = loadConfig({ env: {} })
  t.same(configs[0], { ...defaults, auth: { ...defaults.auth, secret: one } })
})

t.test('a token of a configured secret is printed to a terminal only', async (t) => {
  const input = { env: { HUB_AUTH_SECRET: SECRET }, serve: () => {} }
  const { stdout } = await command(t, [], input)
  t.match(stdout, /Make a token with the configured secret: fastify-hub token/)
  t.notMatch(stdout, /eyJ/)
  t.match(await command(t, [], { ...input, isTTY: true }), { code: 0, stdout: /Bearer eyJ/ })
})

t.test('all mistakes in the configuration are printed with their positions, and the service does not start', async (t) => {
  const { code, stdout, stderr } = await command(t, [], { files: { 'config.yml': 'server:\n  port: abc\n  hots: 0.0.0.0\nwebsocket:\n  pingPeriod: soon\n' } })
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, /^config\.yml:2:9 server\.port: /m)
  t.match(stderr, /^config\.yml:3:\d+ server\.hots: unknown key, did you mean "host"\?/m)
  t.match(stderr, /^config\.yml:5:\d+ websocket\.pingPeriod: /m)
  t.notMatch(stderr, / {4}at .*\.[jt]s/, 'no stack')
})

t.test('flags override the environment, the environment overrides the file, and the file overrides the defaults', async (t) => {
  const files = { 'config.yml': 'server:\n  host: 127.0.0.2\n  port: 1111\nwebsocket:\n  path: /from-file\n' }
  const { code, stdout } = await command(t, ['--print-config', '--port', '3333'], { files, env: { HUB_SERVER_PORT: '2222', HUB_SERVER_HOST: '127.0.0.3', HUB_AUTH_SECRET: SECRET } })
  t.equal(code, 0)
  t.match(stdout, /host: 127\.0\.0\.3/)
  t.match(stdout, /port: 3333/)
  t.match(stdout, /path: \/from-file/)
  t.match(stdout, /pingPeriod: 20s/)
  t.notOk(stdout.includes(SECRET), 'secrets are masked')
})

t.test('--check-config, --version and --help print their output and exit', async (t) => {
  t.match(await command(t, ['--check-config']), { code: 0, stdout: 'The defaults: the configuration is valid.\n' })
  t.match(await command(t, ['--check-config', '--config', 'other.yml'], { files: { 'other.yml': 'api: false\n' } }), { code: 0, stdout: 'other.yml: the configuration is valid.\n' })
  t.match(await command(t, ['--check-config', '--config', 'missing.yml']), { code: 1, stderr: /missing\.yml/ })
  t.match(await command(t, ['--version']), { code: 0, stdout: `${packageVersion()}\n` })
  t.match(await command(t, ['--help']), { code: 0, stdout: /--check-config/ })
})

t.test('an invalid command line ends with an error message', async (t) => {
  for (const args of [['--prot', '1'], ['serve'], ['token'], ['token', '--user', ''], ['--user', 'alice'], ['token', 'x', '--user', 'a'], ['--port', '99999'], ['--port', 'x']]) {
    const { code, stdout, stderr } = await command(t, args, { env: { HUB_AUTH_SECRET: SECRET } })
    t.equal(code, 1, args.join(' '))
    t.equal(stdout, '')
    t.ok(stderr.trim().length > 10 && !stderr.includes('    at '), stderr)
  }
})

t.test('the command token prints a token that the service accepts', async (t) => {
  const { origin } = await listen(t)
  const env = { HUB_AUTH_SECRET: SECRET }
  const list = async (args: string[]) => {
    const { stdout } = await command(t, ['token', ...args], { env })
    return (await fetch(`${origin}/clients`, { headers: { authorization: `Bearer ${stdout.trim()}` } })).status
  }
  t.equal(await list(['--user', 'alice', '--role', 'admin', '--ttl', '5m']), 200)
  t.equal(await list(['--user', 'bob']), 403)
  t.match(await command(t, ['token', '--user', 'alice']), { code: 1, stderr: /There is no auth\.secret/ })
  t.match(await command(t, ['token', '--user', 'alice', '--ttl', 'soon'], { env }), { code: 1, stderr: /--ttl must be a duration/ })
})

t.test('a port in use ends with an error message', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const serve = ({ server }: Config) => Fastify().listen(server)
  const { code, stderr } = await command(t, ['--port', String((server.address() as AddressInfo).port)], { serve })
  t.equal(code, 1)
  t.match(stderr, /EADDRINUSE.*Choose another port with --port/)
})

t.test('the demo mode is warned of, and refused in production', async (t) => {
  t.match(await command(t, [], { env: { HUB_AUTH_MODE: 'demo' }, serve: () => {} }), { code: 0, stdout: /auth\.mode is demo: any token of at least 20 characters may connect/ })
  t.match(await command(t, [], { env: { HUB_AUTH_MODE: 'demo', NODE_ENV: 'production' } }), { code: 1, stderr: /auth\.mode|HUB_AUTH_MODE/ })
})

t.test('an unknown environment variable is warned of', async (t) => {
  t.match(await command(t, ['--check-config'], { env: { HUB_SERVER_PROT: '1' } }), { code: 0, stderr: /HUB_SERVER_PROT.*HUB_SERVER_PORT/ })
})
