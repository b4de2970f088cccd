import t from 'tap'
import { completeConfig } from '../../../services/config/load.ts'
import { faultsOf, faultsOfEnv, faultsOfText, load } from './helper.ts'

t.test('faults', async (t) => {
  t.test('lists all faults of all sources at once, each with its location', async (t) => {
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

  t.test('suggests a known name only when it is near', async (t) => {
    t.strictSame(faultsOfText('up: 1', 'server: { HOST: x, trust_proxy: 1 }'), [
      'config.yml:1:5 up: unknown key',
      'config.yml:2:17 server.HOST: unknown key, did you mean "host"?',
      'config.yml:2:33 server.trust_proxy: unknown key, did you mean "trustProxy"?'
    ])
  })

  t.test('shows the file as the caller named it', async (t) => {
    t.strictSame(faultsOf(() => load({ file: './conf/a.yml', text: 'api: 7' })), ['./conf/a.yml:1:6 api: must be true or false, not 7'])
  })

  t.test('checks a value also when a stronger source overrides it', async (t) => {
    const faults = faultsOf(() => load({ text: 'server: { port: -1 }', flags: { 'server.port': '1' } }))
    t.strictSame(faults, ['config.yml:1:17 server.port: must be a whole number from 0 to 65535, not -1'])
  })

  t.test('a variable that stands for a value is not replaced, and the fault names the remedy', async (t) => {
    const remedy = (variable: string) => `is not replaced by the value of a variable; write the value itself, or remove the key and set ${variable}`
    t.strictSame(faultsOfText('auth: { secret: "${HUB_SECRET}" }', 'server: { host: "${HOST:-::}", port: $PORT }', 'websocket: { allowedOrigins: ["https://${DOMAIN}"] }'), [
      `config.yml:1:17 auth.secret: \${HUB_SECRET} ${remedy('HUB_AUTH_SECRET')}`,
      `config.yml:2:17 server.host: \${HOST:-::} ${remedy('HUB_SERVER_HOST')}`,
      `config.yml:2:38 server.port: $PORT ${remedy('HUB_SERVER_PORT')}`,
      `config.yml:3:30 websocket.allowedOrigins: \${DOMAIN} ${remedy('HUB_WEBSOCKET_ALLOWED_ORIGINS')}`
    ])
    t.strictSame(faultsOfEnv({ HUB_SERVER_HOST: '${HOST}' }), ['HUB_SERVER_HOST: ${HOST} is not replaced by the value of a variable; write the value itself'])
    t.strictSame(faultsOf(() => completeConfig({ websocket: { path: '/${PATH}' } })), ['options.websocket.path: ${PATH} is not replaced by the value of a variable; write the value itself'])
    const { config } = load({ text: 'auth: { secret: "a-random-secret-${with}-such-characters" }' })
    t.equal(config.auth.secret, 'a-random-secret-${with}-such-characters')
  })

  t.test('describes the allowed values of each kind', async (t) => {
    const proxies = 'must be true, false, or addresses and ranges such as 10.0.0.1, 10.0.0.0/8 or loopback'
    const cases: [path: string, yaml: string, fault: string][] = [
      ['server.host', '0', 'must be text (put it in quotes), not 0'],
      ['server.host', 'a b', 'must be an address or a host name, not "a b"'],
      ['server.port', '1.5', 'must be a whole number from 0 to 65535, not 1.5'],
      ['server.port', '""', 'must be a whole number from 0 to 65535, not ""'],
      ['server.trustProxy', '1', `${proxies}, not 1`],
      ['server.trustProxy', '10.0.0.0/33', `${proxies}, not "10.0.0.0/33"`],
      ['server.trustProxy', '"10.0.0.1,"', `${proxies}, not "10.0.0.1,"`],
      ['api', 'yes', 'must be true or false, not "yes"'],
      ['logger.level', 'loud', 'must be fatal, error, warn, info, debug, trace, or silent, not "loud"'],
      ['auth.mode', 'true', 'must be jwt or demo, not true'],
      ['engine.kind', 'redis', 'must be file or memory, not "redis"'],
      ['engine.kind', 'lmdb', 'must be file or memory, not "lmdb": version 0.1 had that engine; write file, and choose another folder with engine.path than the one of version 0.1'],
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
      ['websocket.slowClient', '{}', 'must be catchUp, disconnect, dropNewest, dropOldest, or latest, not {}'],
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

  t.test('names the one origin that no browser sends in this notation', async (t) => {
    const origin = 'must be an origin such as https://app.example.com (scheme and host in lower case, no slash at the end), or *'
    const wrongOnes = ['https://app.example.com/', 'https://App.example.com', 'https://app.example.com:443', 'http://app.example.com:80']
    const oddOnes = ['app.example.com', 'https://*.example.com', 'https://u@app.example.com', 'file:///', 'Null', '']
    for (const wrong of [...wrongOnes, ...oddOnes]) {
      t.strictSame(
        faultsOfText('websocket:', '  allowedOrigins:', '    - https://ok.example', `    - ${JSON.stringify(wrong)}`),
        [`config.yml:2:3 websocket.allowedOrigins: ${origin}, not ${JSON.stringify(wrong)}`])
    }
    t.strictSame(faultsOfText('websocket: { allowedOrigins: [[a]] }'), [`config.yml:1:30 websocket.allowedOrigins: ${origin}, not []`])
    t.strictSame(faultsOfText('websocket: { allowedOrigins: [null] }'), [`config.yml:1:30 websocket.allowedOrigins: ${origin}, not null`])
  })

  t.test('names both keys of a path that is used twice', async (t) => {
    t.strictSame(faultsOfText('sse: { path: /live }', 'websocket: { path: /live }'), [
      'config.yml:1:14 sse.path: websocket.path and sse.path are the same (/live); choose two paths'
    ])
    t.strictSame(faultsOfText('websocket: { path: /admin/events }'), [
      'config.yml:1:20 websocket.path: websocket.path and sse.path are the same (/admin/events); choose two paths'
    ])
    t.strictSame(faultsOfText('websocket: { path: /clients }'), [
      'config.yml:1:20 websocket.path: /clients is the address of a route that api switches on; choose another path'
    ])
    t.strictSame(load({ text: 'sse: { start: false, path: /live }\napi: false\nwebsocket: { path: /live }' }).warnings, [])
    t.strictSame(load({ text: 'api: false\nwebsocket: { path: /clients }' }).warnings, [])
  })

  t.test('takes addresses, ranges and known names of proxies', async (t) => {
    for (const list of ['127.0.0.1', '::1', '10.0.0.0/8, fd00::/8', 'loopback,uniquelocal', '::ffff:10.0.0.1']) {
      t.equal(load({ env: { HUB_SERVER_TRUST_PROXY: list } }).config.server.trustProxy, list)
    }
    for (const list of ['localhost', '10.0.0.0/0', '10.0.0.0/x', 'loopback/8', '10.0.0.1 10.0.0.2', 'fe80::1%eth0', '1.2.3', '2']) {
      t.equal(faultsOfEnv({ HUB_SERVER_TRUST_PROXY: list }).length, 1, list)
    }
  })

  t.test('refuses a key without a value, but not a section without keys', async (t) => {
    t.strictSame(faultsOfText('server:', 'logger:', '  level:', 'api: ~'), [
      'config.yml:3:9 logger.level: has no value; write one, or remove the key to get its default',
      'config.yml:4:6 api: has no value; write one, or remove the key to get its default'
    ])
  })

  t.test('refuses a value in place of a section', async (t) => {
    for (const text of ['- 1', 'x', '7', '"server"']) {
      t.strictSame(faultsOfText(text), ['config.yml:1:1: must be a section with keys below it'], text)
    }
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

  t.test('treats names of inherited properties as unknown keys', async (t) => {
    t.strictSame(faultsOfText('__proto__:', '  polluted: true', 'constructor: 1', 'server: { toString: 1, __proto__: { port: 1 } }'), [
      'config.yml:1:1 __proto__: unknown key',
      'config.yml:3:14 constructor: unknown key',
      'config.yml:4:21 server.toString: unknown key',
      'config.yml:4:35 server.__proto__: unknown key'
    ])
    t.notOk('polluted' in {})
  })

  t.test('reports broken YAML with its location, and still checks the other sources', async (t) => {
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

  t.test('reads aliases, and bounds aliases that multiply or are circular', async (t) => {
    t.equal(load({ text: 'server: { host: &h hub.local }\nauth: { issuer: *h }' }).config.auth.issuer, 'hub.local')
    const tenfold = Array.from({ length: 30 }, (_, n) => `b${n}: &a${n + 1} [${Array(10).fill(`*a${n}`).join(', ')}]`)
    t.equal(faultsOfText('a: &a0 [x]', ...tenfold, 'websocket: { allowedOrigins: *a30 }').length, 32)
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

  t.test('refuses a queue that is smaller than the largest message', async (t) => {
    t.strictSame(faultsOfEnv({ HUB_WEBSOCKET_MAX_QUEUE_SIZE: '65534' }), ['HUB_WEBSOCKET_MAX_QUEUE_SIZE: must be at least websocket.maxMessageSize (65535), not 65534'])
    t.strictSame(faultsOfEnv({ HUB_WEBSOCKET_MAX_MESSAGE_SIZE: '2MiB' }), ['HUB_WEBSOCKET_MAX_MESSAGE_SIZE: must be at most websocket.maxQueueSize (1MiB), not 2MiB'])
    t.strictSame(faultsOfText('websocket:', '  maxMessageSize: 2MiB', '  maxQueueSize: 1MiB', '  path: x'), [
      'config.yml:4:9 websocket.path: must be a path that begins with /, not "x"',
      'config.yml:3:17 websocket.maxQueueSize: must be at least websocket.maxMessageSize (2MiB), not 1MiB'
    ])
    t.strictSame(faultsOfEnv({ HUB_WEBSOCKET_MAX_QUEUE_SIZE: '65535' }), [])
  })

  t.test('refuses a flush interval with which clients would seem lost', async (t) => {
    t.strictSame(faultsOfEnv({ HUB_WEBSOCKET_FLUSH_INTERVAL: '1s', HUB_WEBSOCKET_PING_PERIOD: '1s' }), ['HUB_WEBSOCKET_FLUSH_INTERVAL: must be at most half of websocket.pingPeriod (1000 ms), not 1000 ms, or clients would seem lost while they wait'])
    t.strictSame(faultsOfText('websocket:', '  flushInterval: 500ms', '  writeDeadline: 999ms'), ['config.yml:2:18 websocket.flushInterval: must be at most half of websocket.writeDeadline (999 ms), not 500 ms, or clients would seem lost while they wait'])
    t.strictSame(faultsOfEnv({ HUB_WEBSOCKET_FLUSH_INTERVAL: '500ms', HUB_WEBSOCKET_PING_PERIOD: '1s', HUB_WEBSOCKET_WRITE_DEADLINE: '1s' }), [])
  })

  t.test('skips rules about a key with a fault of its own or in a broken file', async (t) => {
    const env = { HUB_WEBSOCKET_MAX_MESSAGE_SIZE: '2MiB' }
    t.strictSame(faultsOf(() => load({ env, text: 'websocket: { maxQueueSize: 4 MB! }' })).length, 1)
    t.strictSame(faultsOf(() => load({ env, text: 'websocket: { maxQueueSize: 4MiB' })).length, 1)
  })
})
