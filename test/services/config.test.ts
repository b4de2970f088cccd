import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isSeq, parseDocument } from 'yaml'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { configFile, configurationPage } from '../../services/config/document.ts'
import { completeConfig, ConfigError, loadConfig, maskSecrets, toYaml, type Sources } from '../../services/config/load.ts'
import type { Config, ConfigInput } from '../../services/config/schema.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../services/config/units.ts'

const secret = 'correct-horse-battery-staple-and-more'

const defaults: Config = {
  server: { host: '127.0.0.1', port: 20201, trustProxy: false },
  api: true,
  console: true,
  logger: { level: 'info', requests: false },
  auth: { mode: 'jwt', secret: '', issuer: '', audience: '' },
  engine: { kind: 'memory', maxAge: 3_600_000, maxCount: 100_000, maxSize: 67_108_864 },
  idempotency: { window: 120_000 },
  websocket: {
    start: true,
    path: '/admin/ws',
    writeReadBufferSize: 20_480,
    maxMessageSize: 65_535,
    pingPeriod: 20_000,
    heartbeatFailMaxTimes: 4,
    readDeadline: 100_000,
    writeDeadline: 35_000,
    handshakeTimeout: 10_000,
    maxQueueSize: 1_048_576,
    maxQueueWrites: 1_024,
    slowClient: 'disconnect',
    maxClients: 10_000,
    maxClientsPerUser: 100,
    messagesPerSecond: 100,
    upgradesPerSecond: 500,
    allowedOrigins: [],
    drain: { grace: 10_000, batch: 500 }
  }
}

/** Every key with a value that is not its default. */
const unusual: Config = {
  server: { host: '::', port: 0, trustProxy: '10.0.0.0/8, loopback, fd00::1' },
  api: false,
  console: false,
  logger: { level: 'silent', requests: true },
  auth: { mode: 'demo', secret: `# "it's": ${secret}\n\u2028!`, issuer: '20', audience: 'true' },
  engine: { kind: 'memory', maxAge: 1_500, maxCount: 1, maxSize: 1_000 },
  idempotency: { window: 172_800_000 },
  websocket: {
    start: false,
    path: '/',
    writeReadBufferSize: 1_024,
    maxMessageSize: 16_777_216,
    pingPeriod: 10,
    heartbeatFailMaxTimes: 0,
    readDeadline: 0,
    writeDeadline: 1,
    handshakeTimeout: 2_073_600_000,
    maxQueueSize: 17_179_869_184,
    maxQueueWrites: 7,
    slowClient: 'dropNewest',
    maxClients: 0,
    maxClientsPerUser: 0,
    messagesPerSecond: 0,
    upgradesPerSecond: 0,
    allowedOrigins: ['https://app.example.com', 'http://localhost:3000', 'capacitor://localhost', '*'],
    drain: { grace: 0, batch: 1 }
  }
}

const load = (sources: Sources) => loadConfig({ env: {}, ...sources })

function faultsOf(make: () => unknown): readonly string[] {
  try {
    make()
  } catch (err) {
    if (err instanceof ConfigError) return err.faults
    throw err
  }
  return []
}

const faultsOfText = (...lines: string[]) => faultsOf(() => load({ text: lines.join('\n') }))
const faultsOfEnv = (env: Sources['env']) => faultsOf(() => load({ env }))

function fileWith(t: Test, name: string, text: string): string {
  const file = join(t.testdir(), name)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, text)
  return file
}

t.test('units', async (t) => {
  t.test('reads durations as milliseconds, a plain number as seconds', async (t) => {
    const cases = { '500ms': 500, '20s': 20_000, '5m': 300_000, '1h': 3_600_000, '1d': 86_400_000, '20': 20_000, '0': 0, '1.5s': 1_500, ' 20 s ': 20_000, '1.005s': 1_005 }
    for (const [text, ms] of Object.entries(cases)) t.equal(parseDuration(text), ms, text)
    t.equal(parseDuration(20), 20_000)
    t.equal(parseDuration(0.5), 500)
  })

  t.test('reads sizes as bytes, KiB in steps of 1024 and KB in steps of 1000', async (t) => {
    const cases = { '512': 512, '512B': 512, '64KiB': 65_536, '1MiB': 1_048_576, '1GiB': 1_073_741_824, '64KB': 64_000, '64kB': 64_000, '2MB': 2_000_000, '1GB': 1_000_000_000, '1.5MiB': 1_572_864 }
    for (const [text, bytes] of Object.entries(cases)) t.equal(parseSize(text), bytes, text)
    t.equal(parseSize(20480), 20_480)
  })

  t.test('refuses what is neither', async (t) => {
    for (const raw of ['', 'soon', '-1s', '1e3', '20S', '5M', '1w', '1h30m', '0.5ms', '20s20', NaN, Infinity, -1, 1e21, true, null, {}, ['20s']]) t.equal(parseDuration(raw), undefined, `duration ${String(raw)}`)
    for (const raw of ['', 'big', '-1', '1.5', '1K', '1TiB', '0x10', '64 KiBs', NaN, -1, 0.5, 1e300, true, null]) t.equal(parseSize(raw), undefined, `size ${String(raw)}`)
  })

  t.test('writes each duration and size so that it reads back the same', async () => {
    fc.assert(fc.property(fc.maxSafeNat(), (ms) => parseDuration(formatDuration(ms)) === ms))
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseSize(formatSize(bytes)) === bytes))
    fc.assert(fc.property(fc.nat(1e6), fc.constantFrom(1_000, 60_000, 3_600_000, 86_400_000), (n, unit) => parseDuration(formatDuration(n * unit)) === n * unit))
  })

  t.test('writes the largest unit that fits exactly', async (t) => {
    t.same([0, 1, 1_500, 100_000, 120_000, 5_400_000, 3_600_000, 172_800_000].map(formatDuration), ['0', '1ms', '1500ms', '100s', '2m', '90m', '1h', '2d'])
    t.same([0, 512, 65_535, 65_536, 1_048_576, 3_221_225_472].map(formatSize), ['0', '512', '65535', '64KiB', '1MiB', '3GiB'])
  })
})

t.test('sources', async (t) => {
  t.test('has the defaults when nothing is given', async (t) => {
    t.strictSame(load({}), { config: defaults, warnings: [], file: null })
  })

  t.test('has the defaults when the file holds nothing, comments or empty sections', async (t) => {
    for (const text of ['', '# nothing\n', '---\n', '{}', 'server:\nwebsocket:\n  drain:\n', 'websocket: # later\n']) t.strictSame(load({ text }).config, defaults, JSON.stringify(text))
  })

  t.test('lets a flag win over the environment, that over the file, that over the default', async (t) => {
    const text = 'server: { host: file, port: 1 }\nwebsocket: { path: /file, maxClients: 1 }'
    const env = { HUB_SERVER_HOST: 'env', HUB_WEBSOCKET_PATH: '/env' }
    const { config } = load({ text, env, flags: { 'server.host': 'flag' } })
    t.strictSame(config, {
      ...defaults,
      server: { ...defaults.server, host: 'flag', port: 1 },
      websocket: { ...defaults.websocket, path: '/env', maxClients: 1 }
    })
  })

  t.test('reads the file that is named and says which it was', async (t) => {
    const file = fileWith(t, 'hub.yml', '\uFEFFserver:\r\n  port: 9000\r\n')
    const loaded = load({ file })
    t.equal(loaded.config.server.port, 9000)
    t.equal(loaded.file, file)
  })

  t.test('takes the given text in the place of the content of the file', async (t) => {
    const loaded = load({ file: 'not/there.yml', text: 'server: { port: 9000 }' })
    t.equal(loaded.config.server.port, 9000)
    t.equal(loaded.file, 'not/there.yml')
  })

  t.test('says that a file is missing or cannot be read', async (t) => {
    t.strictSame(faultsOf(() => load({ file: 'not/there.yml' })), ['not/there.yml: there is no such file'])
    t.strictSame(faultsOf(() => load({ file: '.' })), ['.: cannot be read (EISDIR)'])
  })

  t.test('reads every kind of value from the environment', async (t) => {
    const { config, warnings } = load({
      env: {
        HUB_SERVER_PORT: ' 9000 ',
        HUB_SERVER_TRUST_PROXY: '1',
        HUB_API: '0',
        HUB_CONSOLE: 'false',
        HUB_LOGGER_LEVEL: 'debug',
        HUB_LOGGER_REQUESTS: 'true',
        HUB_ENGINE_MAX_SIZE: '1GiB',
        HUB_WEBSOCKET_PING_PERIOD: '5',
        HUB_WEBSOCKET_WRITE_READ_BUFFER_SIZE: '64KiB',
        HUB_WEBSOCKET_ALLOWED_ORIGINS: 'https://a.example, https://b.example:8443,',
        HUB_WEBSOCKET_DRAIN_GRACE: '500ms',
        PATH: '/bin'
      }
    })
    t.strictSame(warnings, [])
    t.strictSame(config, {
      ...defaults,
      server: { ...defaults.server, port: 9000, trustProxy: true },
      api: false,
      console: false,
      logger: { level: 'debug', requests: true },
      engine: { ...defaults.engine, maxSize: 1_073_741_824 },
      websocket: {
        ...defaults.websocket,
        pingPeriod: 5_000,
        writeReadBufferSize: 65_536,
        allowedOrigins: ['https://a.example', 'https://b.example:8443'],
        drain: { grace: 500, batch: 500 }
      }
    })
  })

  t.test('takes an empty variable as not set', async (t) => {
    const env = { HUB_SERVER_PORT: '', HUB_AUTH_SECRET: '', HUB_AUTH_SECRET_FILE: '', HUB_NONSENSE: '', HUB_API: undefined }
    t.strictSame(load({ env, text: 'server: { port: 1 }' }), { config: { ...defaults, server: { ...defaults.server, port: 1 } }, warnings: [], file: null })
  })

  t.test('warns of unknown variables and names the nearest one', async (t) => {
    const { warnings } = load({ env: { HUB_SERVER_PROT: '1', HUB_WEBSOCKET_PINGPERIOD: '1s', HUB_PORT: 'tcp://10.0.0.1:80', HUB_AUTH_SECRET_FIL: secret, hub_api: 'no' } })
    t.strictSame(warnings, [
      'HUB_SERVER_PROT: unknown variable, it has no effect, did you mean "HUB_SERVER_PORT"?',
      'HUB_WEBSOCKET_PINGPERIOD: unknown variable, it has no effect, did you mean "HUB_WEBSOCKET_PING_PERIOD"?',
      'HUB_PORT: unknown variable, it has no effect',
      'HUB_AUTH_SECRET_FIL: unknown variable, it has no effect, did you mean "HUB_AUTH_SECRET_FILE"?'
    ])
  })

  t.test('reads a secret from the file that the environment names, without its last newline', async (t) => {
    for (const end of ['', '\n', '\r\n']) {
      const file = fileWith(t, 'secret', ` ${secret}\n${secret} ${end}`)
      t.equal(load({ env: { HUB_AUTH_SECRET_FILE: file } }).config.auth.secret, ` ${secret}\n${secret} `)
    }
  })

  t.test('refuses a secret file that is missing, empty, too short or given beside the secret', async (t) => {
    t.strictSame(faultsOfEnv({ HUB_AUTH_SECRET_FILE: secret }), ['HUB_AUTH_SECRET_FILE: the file that it names cannot be read (ENOENT)'])
    t.strictSame(faultsOfEnv({ HUB_AUTH_SECRET_FILE: fileWith(t, 'empty', '\n') }), ['HUB_AUTH_SECRET_FILE: the file that it names is empty'])
    t.strictSame(faultsOfEnv({ HUB_AUTH_SECRET_FILE: fileWith(t, 'short', 'hunter2') }), ['HUB_AUTH_SECRET_FILE: must be empty or at least 32 characters long'])
    t.strictSame(faultsOfEnv({ HUB_AUTH_SECRET_FILE: 'x', HUB_AUTH_SECRET: secret }), ['HUB_AUTH_SECRET_FILE: HUB_AUTH_SECRET is set as well, keep one of them'])
  })

  t.test('names flags in faults as they are typed', async (t) => {
    const flags = { 'server.port': 'abc', 'server.host': '', 'websocket.pingPeriod': 'soon', 'server.prot': '1', __proto__x: '1', api: undefined }
    t.strictSame(faultsOf(() => load({ flags })), [
      '--port: must be a whole number from 0 to 65535, not "abc"',
      '--host: must be an address or a host name, not ""',
      '--websocket.pingPeriod: must be a duration such as 500ms, 20s or 5m, not "soon"',
      '--server.prot: unknown flag, did you mean "--server.port"?',
      '--__proto__x: unknown flag'
    ])
  })
})

t.test('faults', async (t) => {
  t.test('lists all faults of all sources at once, each with its place', async (t) => {
    const text = ['api: true', 'server:', '  port: abc', '  hots: x', 'wbsocket:', '  start: true'].join('\n')
    const env = { HUB_WEBSOCKET_PING_PERIOD: 'soon', HUB_API: 'yes' }
    const err = t.throws(() => load({ text, env, flags: { 'server.port': '65536' } }), { name: 'ConfigError' })
    const faults = [
      'config.yml:3:9 server.port: must be a whole number from 0 to 65535, not "abc"',
      'config.yml:4:9 server.hots: unknown key, did you mean "host"?',
      'config.yml:5:1 wbsocket: unknown key, did you mean "websocket"?',
      'HUB_WEBSOCKET_PING_PERIOD: must be a duration such as 500ms, 20s or 5m, not "soon"',
      'HUB_API: must be true or false, not "yes"',
      '--port: must be a whole number from 0 to 65535, not "65536"'
    ]
    t.match(err, { faults, message: faults.join('\n') })
  })

  t.test('shows the file as the caller named it', async (t) => {
    t.strictSame(faultsOf(() => load({ file: './conf/a.yml', text: 'api: 7' })), ['./conf/a.yml:1:6 api: must be true or false, not 7'])
  })

  t.test('checks a value also when a stronger source overrides it', async (t) => {
    t.strictSame(faultsOf(() => load({ text: 'server: { port: -1 }', flags: { 'server.port': '1' } })), ['config.yml:1:17 server.port: must be a whole number from 0 to 65535, not -1'])
  })

  t.test('says what each kind of value must be', async (t) => {
    const cases: [path: string, yaml: string, fault: string][] = [
      ['server.host', '0', 'must be text (put it in quotes), not 0'],
      ['server.host', 'a b', 'must be an address or a host name, not "a b"'],
      ['server.port', '1.5', 'must be a whole number from 0 to 65535, not 1.5'],
      ['server.port', '""', 'must be a whole number from 0 to 65535, not ""'],
      ['server.trustProxy', '1', 'must be true, false, or addresses and ranges such as 10.0.0.1, 10.0.0.0/8 or loopback, not 1'],
      ['server.trustProxy', '10.0.0.0/33', 'must be true, false, or addresses and ranges such as 10.0.0.1, 10.0.0.0/8 or loopback, not "10.0.0.0/33"'],
      ['server.trustProxy', '"10.0.0.1,"', 'must be true, false, or addresses and ranges such as 10.0.0.1, 10.0.0.0/8 or loopback, not "10.0.0.1,"'],
      ['api', 'yes', 'must be true or false, not "yes"'],
      ['logger.level', 'loud', 'must be fatal, error, warn, info, debug, trace, or silent, not "loud"'],
      ['auth.mode', 'true', 'must be jwt or demo, not true'],
      ['engine.kind', 'redis', 'must be memory, not "redis"'],
      ['engine.maxAge', '0', 'must be a duration of at least 1ms, not 0'],
      ['websocket.path', 'admin', 'must be a path that begins with /, not "admin"'],
      ['websocket.path', '/a?b', 'must be a path that begins with /, not "/a?b"'],
      ['websocket.writeReadBufferSize', '1023', 'must be a size of at least 1KiB, not 1023'],
      ['websocket.maxMessageSize', '17MiB', 'must be a size from 1 to 16MiB, not "17MiB"'],
      ['websocket.maxMessageSize', 'big', 'must be a size such as 512, 64KiB or 1MiB, not "big"'],
      ['websocket.pingPeriod', '9ms', 'must be a duration from 10ms to 24d, not "9ms"'],
      ['websocket.readDeadline', '-1', 'must be a duration such as 500ms, 20s or 5m, not -1'],
      ['websocket.readDeadline', '25d', 'must be a duration from 0 to 24d, not "25d"'],
      ['websocket.heartbeatFailMaxTimes', '-1', 'must be a whole number of at least 0, not -1'],
      ['websocket.slowClient', '{}', 'must be disconnect or dropNewest, not {}'],
      ['websocket.maxQueueWrites', '0', 'must be a whole number of at least 1, not 0'],
      ['websocket.maxClients', '1e300', 'must be a whole number of at least 0, not 1e+300'],
      ['websocket.allowedOrigins', '{}', 'must be a list, not {}'],
      ['websocket.drain.batch', '0', 'must be a whole number of at least 1, not 0']
    ]
    for (const [path, yaml, fault] of cases) {
      const text = path.split('.').reduceRight((inner, key) => `{ ${key}: ${inner} }`, yaml)
      t.match(faultsOfText(text), [/^config\.yml:1:\d+ /], text)
      t.strictSame(faultsOfText(text).map((line) => line.replace(/^\S+ /, '')), [`${path}: ${fault}`], text)
    }
  })

  t.test('names the one origin that is wrong, because it is not what a browser sends', async (t) => {
    const origin = 'must be an origin such as https://app.example.com (scheme and host in lower case, no slash at the end), or *'
    for (const wrong of ['https://app.example.com/', 'https://App.example.com', 'https://app.example.com:443', 'http://app.example.com:80', 'app.example.com', 'https://*.example.com', 'https://u@app.example.com', 'null', '']) {
      t.strictSame(
        faultsOfText('websocket:', '  allowedOrigins:', '    - https://ok.example', `    - ${JSON.stringify(wrong)}`),
        [`config.yml:2:3 websocket.allowedOrigins: ${origin}, not ${JSON.stringify(wrong)}`])
    }
    t.strictSame(faultsOfText('websocket: { allowedOrigins: [[a]] }'), [`config.yml:1:30 websocket.allowedOrigins: ${origin}, not []`])
    t.strictSame(faultsOfText('websocket: { allowedOrigins: [null] }'), [`config.yml:1:30 websocket.allowedOrigins: ${origin}, not null`])
  })

  t.test('takes addresses, ranges and known names of proxies', async (t) => {
    for (const list of ['127.0.0.1', '::1', '10.0.0.0/8, fd00::/8', 'loopback,uniquelocal', '::ffff:10.0.0.1']) t.equal(load({ env: { HUB_SERVER_TRUST_PROXY: list } }).config.server.trustProxy, list)
    for (const list of ['localhost', '10.0.0.0/0', '10.0.0.0/x', 'loopback/8', '10.0.0.1 10.0.0.2', 'fe80::1%eth0', '1.2.3', '2']) t.equal(faultsOfEnv({ HUB_SERVER_TRUST_PROXY: list }).length, 1, list)
  })

  t.test('refuses a key without a value, but not a section without keys', async (t) => {
    t.strictSame(faultsOfText('server:', 'logger:', '  level:', 'api: ~'), [
      'config.yml:3:9 logger.level: has no value; write one, or remove the key to get its default',
      'config.yml:4:6 api: has no value; write one, or remove the key to get its default'
    ])
  })

  t.test('refuses what is not a section where keys are expected', async (t) => {
    for (const text of ['- 1', 'x', '7', '"server"']) t.strictSame(faultsOfText(text), ['config.yml:1:1: must be a section with keys below it'], text)
    t.strictSame(faultsOfText('server: 9000', 'websocket:', '  drain: [1]'), [
      'config.yml:1:9 server: must be a section with keys below it',
      'config.yml:3:10 websocket.drain: must be a section with keys below it'
    ])
  })

  t.test('refuses the same key twice', async (t) => {
    t.strictSame(faultsOfText('server:', '  port: 1', '  port: 2', 'server:', '  host: x'), [
      'config.yml:3:9 server.port: stands here twice, keep one',
      'config.yml:4:1 server: stands here twice, keep one'
    ])
  })

  t.test('takes names that every object has for the unknown keys that they are', async (t) => {
    t.strictSame(faultsOfText('__proto__:', '  polluted: true', 'constructor: 1', 'server: { toString: 1, __proto__: { port: 1 } }'), [
      'config.yml:1:1 __proto__: unknown key',
      'config.yml:3:14 constructor: unknown key',
      'config.yml:4:21 server.toString: unknown key',
      'config.yml:4:35 server.__proto__: unknown key'
    ])
    t.notOk('polluted' in {})
  })

  t.test('reports broken YAML with its place, and still checks the other sources', async (t) => {
    t.strictSame(faultsOfText('server:', '\tport: 1'), ['config.yml:2:1: tabs are not allowed as indentation'])
    t.strictSame(faultsOfText('api: true', '---', 'api: false'), ['config.yml:2:1: a second document begins here; keep one'])
    t.strictSame(faultsOfText('auth: { issuer: !x y }'), ['config.yml:1:17: a text that begins with ! needs quotes'])
    t.strictSame(faultsOfText('auth: { issuer: *x }'), ['config.yml:1:17: no anchor of this name stands above; a text that begins with * needs quotes'])
    t.strictSame(faultsOfText('auth:', '  issuer: a: b'), ['config.yml:2:11: two keys in one line; a text that contains a colon and a space needs quotes'])
    t.strictSame(faultsOf(() => load({ text: 'server: [', env: { HUB_API: 'x' } })), [
      'config.yml:1:10: flow sequence in block collection must be sufficiently indented and end with a ]',
      'HUB_API: must be true or false, not "x"'
    ])
    t.equal(faultsOfText('['.repeat(2_000)).length, 1)
  })

  t.test('reads aliases, and is not impressed by those that multiply or bite their tail', async (t) => {
    t.equal(load({ text: 'server: { host: &h hub.local }\nauth: { issuer: *h }' }).config.auth.issuer, 'hub.local')
    const bomb = ['a: &a0 [x]', ...Array.from({ length: 30 }, (_, n) => `b${n}: &a${n + 1} [${Array(10).fill(`*a${n}`).join(', ')}]`), 'websocket: { allowedOrigins: *a30 }']
    t.equal(faultsOfText(...bomb).length, 32)
    t.strictSame(faultsOfText('server: &s', '  host: *s'), ['config.yml:2:9 server.host: must be text (put it in quotes), not {}'])
    t.strictSame(faultsOfText('server: &s', '  server: *s'), ['config.yml:2:11 server.server: unknown key'])
  })

  t.test('cuts long values', async (t) => {
    t.ok((faultsOfEnv({ HUB_SERVER_PORT: 'x'.repeat(10_000) })[0] ?? '').length < 200)
  })

  t.test('refuses demo mode in production, wherever it was set', async (t) => {
    const reason = 'demo takes any token and is refused when NODE_ENV is production; use jwt'
    t.strictSame(faultsOfEnv({ NODE_ENV: 'production', HUB_AUTH_MODE: 'demo' }), [`HUB_AUTH_MODE: ${reason}`])
    t.strictSame(faultsOf(() => load({ text: 'auth:\n  mode: demo', env: { NODE_ENV: 'production' } })), [`config.yml:2:9 auth.mode: ${reason}`])
    t.strictSame(faultsOf(() => completeConfig({ auth: { mode: 'demo' } }, { NODE_ENV: 'production' })), [`options.auth.mode: ${reason}`])
    t.equal(load({ env: { NODE_ENV: 'development', HUB_AUTH_MODE: 'demo' } }).config.auth.mode, 'demo')
    t.equal(load({ text: 'auth: { mode: demo }', env: { NODE_ENV: 'production', HUB_AUTH_MODE: 'jwt' } }).config.auth.mode, 'jwt')
  })

  t.test('refuses a queue that the largest message does not fit in', async (t) => {
    t.strictSame(faultsOfEnv({ HUB_WEBSOCKET_MAX_QUEUE_SIZE: '65534' }), ['HUB_WEBSOCKET_MAX_QUEUE_SIZE: must be at least websocket.maxMessageSize (65535), not 65534'])
    t.strictSame(faultsOfEnv({ HUB_WEBSOCKET_MAX_MESSAGE_SIZE: '2MiB' }), ['HUB_WEBSOCKET_MAX_MESSAGE_SIZE: must be at most websocket.maxQueueSize (1MiB), not 2MiB'])
    t.strictSame(faultsOfText('websocket:', '  maxMessageSize: 2MiB', '  maxQueueSize: 1MiB', '  path: x'), [
      'config.yml:4:9 websocket.path: must be a path that begins with /, not "x"',
      'config.yml:3:17 websocket.maxQueueSize: must be at least websocket.maxMessageSize (2MiB), not 1MiB'
    ])
    t.strictSame(faultsOfEnv({ HUB_WEBSOCKET_MAX_QUEUE_SIZE: '65535' }), [])
  })

  t.test('does not hold a rule against a key that has a fault of its own or stands in a broken file', async (t) => {
    const env = { HUB_WEBSOCKET_MAX_MESSAGE_SIZE: '2MiB' }
    t.strictSame(faultsOf(() => load({ env, text: 'websocket: { maxQueueSize: 4 MB! }' })).length, 1)
    t.strictSame(faultsOf(() => load({ env, text: 'websocket: { maxQueueSize: 4MiB' })).length, 1)
  })
})

t.test('secrets', async (t) => {
  const word = 'hunter2hunter2'

  t.test('refuses a secret of fewer than 32 characters without showing it', async (t) => {
    const fault = 'must be empty or at least 32 characters long'
    t.strictSame(faultsOfEnv({ HUB_AUTH_SECRET: word }), [`HUB_AUTH_SECRET: ${fault}`])
    t.strictSame(faultsOfText('auth:', `  secret: ${word}`), [`config.yml:2:11 auth.secret: ${fault}`])
    t.strictSame(faultsOf(() => load({ flags: { 'auth.secret': word } })), [`--auth.secret: ${fault}`])
    t.strictSame(faultsOf(() => completeConfig({ auth: { secret: word } })), [`options.auth.secret: ${fault}`])
    t.strictSame(faultsOfEnv({ HUB_AUTH_SECRET: 'x'.repeat(31) }).length, 1)
    t.equal(load({ env: { HUB_AUTH_SECRET: 'x'.repeat(32) } }).config.auth.secret.length, 32)
  })

  t.test('shows no part of a secret whose YAML is mistyped', async (t) => {
    const values = [' [', ' [[', ' {', ' !', ' !!int ', ' !<', ' *', ' @', ' `', ' %', ' |', ' ]', ' "', ' "\\q', ' "a"', ' x: ', ' &', ' ? ', '', ' 7: ', ' - ', ' >']
    for (const before of values.map((value) => `secret:${value}`)) {
      for (const text of [`auth:\n  ${before}${word}\n`, `auth:\n  ${before}${word}\n  mode: jwt\n`, `auth:\n  mode: jwt\n  ${before}${word}\n`, `auth: { ${before}${word} }`, `auth: { mode: jwt, ${before}${word}: }`]) {
        const faults = faultsOfText(text)
        t.not(faults.length, 0, text)
        t.notMatch(faults.join('\n'), /hunter/, text)
      }
    }
  })

  t.test('masks secrets for printing, and so that the mask is not taken for a secret', async (t) => {
    const { config } = load({ env: { HUB_AUTH_SECRET: secret } })
    const masked = maskSecrets(config)
    t.strictSame({ ...masked, auth: { ...masked.auth, secret } }, config)
    t.notMatch(toYaml(masked), secret)
    t.equal(config.auth.secret, secret, 'the original is left alone')
    t.strictSame(faultsOfText(toYaml(masked)).map((fault) => fault.replace(/^\S+ /, '')), ['auth.secret: must be empty or at least 32 characters long'])
    t.equal(maskSecrets(defaults).auth.secret, '')
  })
})

t.test('printing', async (t) => {
  t.test('prints a configuration that reads back the same', async (t) => {
    for (const config of [defaults, unusual]) t.strictSame(load({ text: toYaml(config) }).config, config)
  })

  t.test('prints any text on one line and reads it back', async () => {
    const letters = fc.oneof(fc.constantFrom('a', '0', ' ', '\n', '\r', '\t', '"', "'", '#', ':', '\\', '!', '\u2028', '\0', '\ud800', '💥'), fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }))
    fc.assert(fc.property(fc.string({ unit: letters, maxLength: 120 }), (issuer) => {
      const config = { ...defaults, auth: { ...defaults.auth, issuer } }
      const yaml = toYaml(config)
      return yaml.split('\n').length === toYaml(defaults).split('\n').length && load({ text: yaml }).config.auth.issuer === issuer
    }), { numRuns: 300 })
  })

  t.test('prints durations and sizes as people write them', async (t) => {
    const yaml = toYaml(defaults)
    for (const line of ['pingPeriod: 20s', 'maxAge: 1h', 'maxSize: 64MiB', 'writeReadBufferSize: 20KiB', 'maxMessageSize: 65535', 'grace: 10s']) t.match(yaml.split('\n').map((text) => text.trim()).filter((text) => text === line), [line])
  })
})

t.test('options from code', async (t) => {
  t.test('completes nothing at all to the defaults', async (t) => {
    for (const input of [undefined, {}, { server: undefined }, { server: { port: undefined }, websocket: {} }]) t.strictSame(completeConfig(input, {}), defaults)
  })

  t.test('takes numbers as milliseconds and bytes, and text as in config.yml', async (t) => {
    const { websocket, engine } = completeConfig({ websocket: { pingPeriod: 50, readDeadline: '20', maxMessageSize: 1_000, drain: { grace: '5m' } }, engine: { maxSize: '1GiB' } }, {})
    t.match({ websocket, engine }, { websocket: { pingPeriod: 50, readDeadline: 20_000, maxMessageSize: 1_000, drain: { grace: 300_000, batch: 500 } }, engine: { maxSize: 1_073_741_824 } })
  })

  t.test('leaves a complete configuration as it is', async (t) => {
    t.strictSame(completeConfig(unusual, {}), unusual)
    t.strictSame(completeConfig(completeConfig({ websocket: { pingPeriod: '1500ms' } }, {}), {}).websocket.pingPeriod, 1_500)
  })

  t.test('reads no HUB_ variables', async (t) => {
    t.strictSame(completeConfig({}, { HUB_SERVER_PORT: '1', HUB_API: 'nonsense' }), defaults)
  })

  t.test('lists all faults, with the place in the options', async (t) => {
    const input: unknown = JSON.parse('{"websocket":{"pingPeriod":5,"pingPeriode":1,"drain":[]},"api":null,"server":7,"__proto__":{"a":1},"auth":{"secret":["hunter2"]}}')
    t.strictSame(faultsOf(() => completeConfig(input as ConfigInput, {})), [
      'options.websocket.pingPeriod: must be a duration from 10ms to 24d, not "5ms"',
      'options.websocket.pingPeriode: unknown key, did you mean "pingPeriod"?',
      'options.websocket.drain: must be a section with keys below it',
      'options.api: has no value; write one, or remove the key to get its default',
      'options.server: must be a section with keys below it',
      'options.__proto__: unknown key',
      'options.auth.secret: must be empty or at least 32 characters long'
    ])
    t.strictSame(faultsOf(() => completeConfig('x' as ConfigInput, {})), ['options: must be a section with keys below it'])
  })

  t.test('refuses numbers that are no whole milliseconds', async (t) => {
    for (const pingPeriod of [NaN, Infinity, -20_000, 20.5]) t.equal(faultsOf(() => completeConfig({ websocket: { pingPeriod } }, {})).length, 1, String(pingPeriod))
  })

  t.test('does not keep hold of what was given', async (t) => {
    const allowedOrigins = ['https://a.example']
    const config = completeConfig({ websocket: { allowedOrigins } }, {})
    allowedOrigins.push('https://evil.example')
    t.strictSame(config.websocket.allowedOrigins, ['https://a.example'])
    completeConfig({}, {}).websocket.allowedOrigins.push('*')
    t.strictSame(completeConfig({}, {}).websocket.allowedOrigins, [])
  })
})

t.test('generated files', async (t) => {
  const root = new URL('../../', import.meta.url)
  const stale = 'is not what services/config/schema.ts says: run `npm run docs`'

  t.test('config.yml and docs/configuration.md are up to date', async (t) => {
    t.equal(readFileSync(new URL('config.yml', root), 'utf8'), configFile(), `config.yml ${stale}`)
    t.equal(readFileSync(new URL('docs/configuration.md', root), 'utf8'), configurationPage(), `docs/configuration.md ${stale}`)
  })

  t.test('config.yml read as it is gives the defaults and holds every key once', async (t) => {
    t.strictSame(load({ text: configFile() }).config, defaults)
    const keys = (value: unknown): unknown => (typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value).map(([key, inner]) => [key, keys(inner)]) : '')
    t.strictSame(keys(parseDocument(configFile()).toJS()), keys(defaults))
  })

  t.test('every key has a row in docs/configuration.md, with a variable that sets it', async (t) => {
    const rows = [...configurationPage().matchAll(/^\| `([\w.]+)` \| `(HUB_[A-Z_]+)`/gm)].map(([, path = '', variable = '']) => ({ path, variable }))
    const written = parseDocument(toYaml(unusual))
    const env = Object.fromEntries(rows.map(({ path, variable }) => {
      const value: unknown = written.getIn(path.split('.'), false)
      return [variable, isSeq(value) ? value.items.join(',') : String(value)]
    }))
    t.strictSame(load({ env }), { config: unusual, warnings: [], file: null })
    t.equal(env.HUB_WEBSOCKET_DRAIN_BATCH, '1')
  })
})
