import t from 'tap'
import { completeConfig } from '../../../services/config/load.ts'
import type { ConfigInput } from '../../../services/config/input.ts'
import { defaults, faultsOf, faultsOfEnv, fileWith, load, secret, unusual } from './helper.ts'

t.test('sources', async (t) => {
  t.test('has the defaults without any source', async (t) => {
    t.strictSame(load({}), { config: defaults, warnings: [], file: null })
  })

  t.test('has the defaults when the file holds nothing, comments or empty sections', async (t) => {
    for (const text of ['', '# nothing\n', '---\n', '{}', 'server:\nwebsocket:\n  drain:\n', 'websocket: # later\n']) {
      t.strictSame(load({ text }).config, defaults, JSON.stringify(text))
    }
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

  t.test('reads the named file and returns its path', async (t) => {
    const file = fileWith(t, 'hub.yml', '\uFEFFserver:\r\n  port: 9000\r\n')
    const loaded = load({ file })
    t.equal(loaded.config.server.port, 9000)
    t.equal(loaded.file, file)
  })

  t.test('reads the given text instead of the file', async (t) => {
    const loaded = load({ file: 'not/there.yml', text: 'server: { port: 9000 }' })
    t.equal(loaded.config.server.port, 9000)
    t.equal(loaded.file, 'not/there.yml')
  })

  t.test('reports a file that is missing or cannot be read', async (t) => {
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
        HUB_ENGINE_MAX_SIZE: '2GiB',
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
      engine: { ...defaults.engine, maxSize: 2_147_483_648 },
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
    const { config, warnings } = load({ env, text: 'server: { port: 1 }' })
    t.strictSame(config, { ...defaults, server: { ...defaults.server, port: 1 } })
    t.strictSame(warnings, [])
  })

  t.test('warns about unknown variables and suggests the nearest name', async (t) => {
    const { warnings } = load({
      env: {
        HUB_SERVER_PROT: '1',
        HUB_WEBSOCKET_PINGPERIOD: '1s',
        HUB_PORT: 'tcp://10.0.0.1:80',
        HUB_AUTH_SECRET_FIL: secret,
        hub_api: 'no'
      }
    })
    t.strictSame(warnings, [
      'HUB_SERVER_PROT: unknown variable, it has no effect, did you mean "HUB_SERVER_PORT"?',
      'HUB_WEBSOCKET_PINGPERIOD: unknown variable, it has no effect, did you mean "HUB_WEBSOCKET_PING_PERIOD"?',
      'HUB_PORT: unknown variable, it has no effect',
      'HUB_AUTH_SECRET_FIL: unknown variable, it has no effect, did you mean "HUB_AUTH_SECRET_FILE"?'
    ])
  })

  t.test('leaves line feeds around a secret out, with a warning', async (t) => {
    const { config, warnings } = load({ env: { HUB_AUTH_SECRET: `\n${secret}\r\n` } })
    t.equal(config.auth.secret, secret)
    t.strictSame(warnings, ['HUB_AUTH_SECRET: line feeds around the secret are left out'])
  })

  t.test('reads a secret from the file that the environment names, without its last newline', async (t) => {
    for (const end of ['', '\n', '\r\n']) {
      const file = fileWith(t, 'secret', ` ${secret}\n${secret} ${end}`)
      t.equal(load({ env: { HUB_AUTH_SECRET_FILE: file } }).config.auth.secret, ` ${secret}\n${secret} `)
    }
  })

  t.test('refuses a secret file that is missing, empty, too short or given beside the secret', async (t) => {
    t.strictSame(faultsOfEnv({ HUB_AUTH_SECRET_FILE: secret }), ['HUB_AUTH_SECRET_FILE: the file that it names cannot be read (ENOENT)'])
    const empty = fileWith(t, 'empty', '\n')
    t.strictSame(faultsOfEnv({ HUB_AUTH_SECRET_FILE: empty }), ['HUB_AUTH_SECRET_FILE: the file that it names is empty'])
    const short = fileWith(t, 'short', 'hunter2')
    t.strictSame(faultsOfEnv({ HUB_AUTH_SECRET_FILE: short }), ['HUB_AUTH_SECRET_FILE: must be empty or at least 32 characters long'])
    t.strictSame(faultsOfEnv({ HUB_AUTH_SECRET_FILE: 'x', HUB_AUTH_SECRET: secret }), ['HUB_AUTH_SECRET_FILE: HUB_AUTH_SECRET is set as well, keep one of them'])
  })

  t.test('shows flags in faults as users type them', async (t) => {
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

t.test('options from code', async (t) => {
  t.test('completes empty options to the defaults', async (t) => {
    for (const input of [undefined, {}, { server: undefined }, { server: { port: undefined }, websocket: {} }]) {
      t.strictSame(completeConfig(input, {}), defaults)
    }
  })

  t.test('takes numbers as milliseconds and bytes, and text as in config.yml', async (t) => {
    const config = completeConfig({
      websocket: { pingPeriod: 50, readDeadline: '20', maxMessageSize: 1_000, drain: { grace: '5m' } },
      engine: { maxSize: '2GiB' }
    }, {})
    t.strictSame(config, {
      ...defaults,
      websocket: { ...defaults.websocket, pingPeriod: 50, readDeadline: 20_000, maxMessageSize: 1_000, drain: { grace: 300_000, batch: 500 } },
      engine: { ...defaults.engine, maxSize: 2_147_483_648 }
    })
  })

  t.test('leaves a complete configuration as it is', async (t) => {
    t.strictSame(completeConfig(unusual, {}), unusual)
    t.strictSame(completeConfig(completeConfig({ websocket: { pingPeriod: '1500ms' } }, {}), {}).websocket.pingPeriod, 1_500)
  })

  t.test('reads no HUB_ variables', async (t) => {
    t.strictSame(completeConfig({}, { HUB_SERVER_PORT: '1', HUB_API: 'nonsense' }), defaults)
  })

  t.test('lists all faults, with their location in the options', async (t) => {
    const input: unknown = JSON.parse(`{
      "websocket": { "pingPeriod": 5, "pingPeriode": 1, "drain": [] },
      "api": null,
      "server": 7,
      "__proto__": { "a": 1 },
      "auth": { "secret": ["hunter2"] }
    }`)
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
    for (const pingPeriod of [NaN, Infinity, -20_000, 20.5]) {
      t.equal(faultsOf(() => completeConfig({ websocket: { pingPeriod } }, {})).length, 1, String(pingPeriod))
    }
  })

  t.test('keeps no reference to the options', async (t) => {
    const allowedOrigins = ['https://a.example']
    const config = completeConfig({ websocket: { allowedOrigins } }, {})
    allowedOrigins.push('https://evil.example')
    t.strictSame(config.websocket.allowedOrigins, ['https://a.example'])
    completeConfig({}, {}).websocket.allowedOrigins.push('*')
    t.strictSame(completeConfig({}, {}).websocket.allowedOrigins, [])
  })
})
