// Takes over 10 s on a busy machine: some tests start the real program.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { main } from '../services/cli/main.ts'
import { loadConfig, type Config } from '../services/config/load.ts'
import { packageVersion } from '../services/cli/package.ts'
import { GREETING, listen, SECRET, TestClient, token } from './support/helper.ts'
import { folderWith, spawnProgram, spawnService } from './support/service.ts'

interface CommandInput {
  env?: Record<string, string>
  files?: Record<string, string>
  isTTY?: boolean
  serve?: (config: Config) => unknown
  origin?: string
}

/**
 * Executes a command line in this process, in a new folder. `serve` replaces the start of the service, which listens on
 * `origin`.
 */
async function command (t: Test, argv: string[], input: CommandInput = {}) {
  const {
    env = {}, files = {}, isTTY = false, serve = () => t.fail('the service must not start'), origin = 'http://127.0.0.1:20201'
  } = input
  const before = process.cwd()
  process.chdir(await folderWith(t, files))
  const output = { stdout: '', stderr: '' }
  const collect = (name: keyof typeof output) => ({ isTTY, write: (text: string) => { output[name] += text } })
  try {
    const code = await main(argv, {
      stdout: collect('stdout'),
      stderr: collect('stderr'),
      env,
      serve: async (config) => { await serve(config); return origin }
    })
    return { code, ...output }
  } finally {
    process.chdir(before)
  }
}

t.test('on a terminal, the banner has the addresses, a token and a working command', async (t) => {
  const { origin, url } = await listen(t)
  const input = { env: { HUB_AUTH_SECRET: SECRET }, isTTY: true, serve: () => {}, origin }
  const { stdout, stderr } = await command(t, [], input)
  t.equal(stdout, '', 'stdout has the log alone')
  t.match(stderr, new RegExp(`fastify-hub ${packageVersion()}`))
  t.match(stderr, /WebSocket {2}ws:\/\/127\.0\.0\.1:\d+\/admin\/ws\?token=…/)
  t.match(stderr, /Console {4}http:\/\/127\.0\.0\.1:\d+\/#token=[\w.-]+&path=%2Fadmin%2Fws\n/)
  const [, bannerToken = ''] = /Bearer ([\w.-]+)/.exec(stderr) ?? []
  const client = new TestClient(new WebSocket(`${url}?token=${bannerToken}`))
  t.teardown(() => client.socket.terminate())
  t.equal(await client.next(), GREETING)
  const [curl = ''] = /curl .*/.exec(stderr) ?? []
  const { stdout: response } = await promisify(execFile)('bash', ['-c', curl.replace('curl', 'curl -s')])
  t.match(JSON.parse(response), { matched: 1, written: 1, behind: 0 }, 'the printed command works unchanged')
  t.equal(await client.next(), 'hello')
})

t.test('without a terminal, no token is printed, and the banner tells how to get one', async (t) => {
  const configured = await command(t, [], { env: { HUB_AUTH_SECRET: SECRET }, serve: () => {} })
  t.match(configured, { code: 0, stdout: /^$/, stderr: /Make a token with the configured secret: fastify-hub token/ })
  const random = await command(t, [], { serve: () => {} })
  t.match(random, { code: 0, stdout: /^$/, stderr: /No auth\.secret is configured: one was made at random for this run.*Set HUB_AUTH_SECRET, start again, and make one: fastify-hub token/s })
  t.notMatch(configured.stderr + random.stderr, /eyJ/)
})

t.test('in production, the service does not start without a secret, and the error names the remedy', async (t) => {
  const env = { NODE_ENV: 'production' }
  const refusal = { code: 1, stdout: '', stderr: /^There is no auth\.secret, and NODE_ENV is production: set HUB_AUTH_SECRET.*\n$/ }
  t.match(await command(t, [], { env }), refusal)
  t.match(await command(t, ['--check-config'], { env }), refusal)
  t.match(await command(t, [], { env: { ...env, HUB_AUTH_SECRET: SECRET }, serve: () => {} }), { code: 0 })
  t.match(await command(t, ['--print-config'], { env }), { code: 0 }, 'other commands need no secret')
})

t.test('the program starts on a free port, and closes in order on SIGTERM', async (t) => {
  const { child, exit, origin, url } = await spawnService(t)
  t.match(await (await fetch(`${origin}/`)).text(), /<title>/)
  const client = new TestClient(new WebSocket(`${url}?token=${token()}`))
  t.equal(await client.next(), GREETING)
  const closed = client.closed()
  child.kill('SIGTERM')
  t.same(await closed, { code: 1012, reason: 'service restart' })
  t.match(await exit, { code: 0, stdout: /the service stops/ })
})

t.test('the program accepts its own tokens, warns of the demo mode, and ends in time despite a pending request', async (t) => {
  const env = { HUB_AUTH_SECRET: SECRET, HUB_AUTH_MODE: 'demo', HUB_WEBSOCKET_DRAIN_GRACE: '200ms' }
  const { child, output, exit, origin, port } = await spawnService(t, { env })
  t.match(output.stdout, /"msg":"auth\.mode is demo: any token of at least 20 characters may connect"/)
  const args = ['token', '--user', 'alice', '--role', 'admin', '--ttl', '5m']
  const { code, stdout } = await (await spawnProgram(t, args, { env })).exit
  t.equal(code, 0)
  t.equal((await fetch(`${origin}/clients`, { headers: { authorization: `Bearer ${stdout.trim()}` } })).status, 200)

  const socket = connect(port, '127.0.0.1')
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
  t.equal(first.code, 0)
  await command(t, [], { serve: (config) => configs.push(config) })
  const [one, two] = configs.map(({ auth: { secret } }) => secret)
  t.match(one, /^[\w-]{43}$/)
  t.not(one, two)
  const { config: defaults } = loadConfig({ env: {} })
  t.same(configs[0], { ...defaults, auth: { ...defaults.auth, secret: one } })
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

t.test('the demo mode is warned of, and refused in production', async (t) => {
  t.match(await command(t, [], { env: { HUB_AUTH_MODE: 'demo' }, serve: () => {} }), { code: 0, stderr: /auth\.mode is demo: any token of at least 20 characters may connect/ })
  t.match(await command(t, [], { env: { HUB_AUTH_MODE: 'demo', NODE_ENV: 'production' } }), { code: 1, stderr: /auth\.mode|HUB_AUTH_MODE/ })
})

t.test('an unknown environment variable is warned of', async (t) => {
  t.match(await command(t, ['--check-config'], { env: { HUB_SERVER_PROT: '1' } }), { code: 0, stderr: /HUB_SERVER_PROT.*HUB_SERVER_PORT/ })
})
