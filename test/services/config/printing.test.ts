import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { isSeq, parseDocument } from 'yaml'
import { configFile, configurationPage, inputTypes } from '../../../services/config/document.ts'
import { packagePath } from '../../../services/cli/package.ts'
import { completeConfig, maskSecrets, toYaml } from '../../../services/config/load.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../services/config/units.ts'
import { defaults, faultsOf, faultsOfEnv, faultsOfText, load, secret, unusual } from './helper.ts'

t.test('units', async (t) => {
  t.test('reads durations as milliseconds, a plain number as seconds', async (t) => {
    const cases = {
      '500ms': 500, '20s': 20_000, '5m': 300_000, '1h': 3_600_000, '1d': 86_400_000,
      '20': 20_000, '0': 0, '1.5s': 1_500, ' 20 s ': 20_000, '1.005s': 1_005
    }
    for (const [text, ms] of Object.entries(cases)) t.equal(parseDuration(text), ms, text)
    t.equal(parseDuration(20), 20_000)
    t.equal(parseDuration(0.5), 500)
  })

  t.test('reads sizes as bytes, KiB in steps of 1024 and KB in steps of 1000', async (t) => {
    const cases = {
      '512': 512, '512B': 512, '64KiB': 65_536, '1MiB': 1_048_576, '1GiB': 1_073_741_824,
      '64KB': 64_000, '64kB': 64_000, '2MB': 2_000_000, '1GB': 1_000_000_000, '1.5MiB': 1_572_864
    }
    for (const [text, bytes] of Object.entries(cases)) t.equal(parseSize(text), bytes, text)
    t.equal(parseSize(20480), 20_480)
  })

  t.test('refuses values in any other notation', async (t) => {
    for (const raw of ['', 'soon', '-1s', '1e3', '20S', '5M', '1w', '1h30m', '0.5ms', '20s20', NaN, Infinity, -1, 1e21, true, null, {}, ['20s']]) {
      t.equal(parseDuration(raw), undefined, `duration ${JSON.stringify(raw)}`)
    }
    for (const raw of ['', 'big', '-1', '1.5', '1K', '1TiB', '0x10', '64 KiBs', NaN, -1, 0.5, 1e300, true, null]) {
      t.equal(parseSize(raw), undefined, `size ${JSON.stringify(raw)}`)
    }
  })

  t.test('formats each duration and size so that parsing gives the same number', async () => {
    fc.assert(fc.property(fc.maxSafeNat(), (ms) => parseDuration(formatDuration(ms)) === ms))
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseSize(formatSize(bytes)) === bytes))
    const units = fc.constantFrom(1_000, 60_000, 3_600_000, 86_400_000)
    fc.assert(fc.property(fc.nat(1e6), units, (n, unit) => parseDuration(formatDuration(n * unit)) === n * unit))
  })

  t.test('writes the largest unit that fits exactly', async (t) => {
    const durations = [0, 1, 1_500, 100_000, 120_000, 5_400_000, 3_600_000, 172_800_000]
    t.same(durations.map(formatDuration), ['0', '1ms', '1500ms', '100s', '2m', '90m', '1h', '2d'])
    t.same([0, 512, 65_535, 65_536, 1_048_576, 3_221_225_472].map(formatSize), ['0', '512', '65535', '64KiB', '1MiB', '3GiB'])
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
      const block = [`auth:\n  ${before}${word}\n`, `auth:\n  ${before}${word}\n  mode: jwt\n`, `auth:\n  mode: jwt\n  ${before}${word}\n`]
      const flow = [`auth: { ${before}${word} }`, `auth: { mode: jwt, ${before}${word}: }`]
      for (const text of [...block, ...flow]) {
        const faults = faultsOfText(text)
        t.not(faults.length, 0, text)
        t.notMatch(faults.join('\n'), /hunter/, text)
      }
    }
  })

  t.test('masks secrets for printing with a mask that is not a valid secret', async (t) => {
    const { config } = load({ env: { HUB_AUTH_SECRET: secret } })
    const masked = maskSecrets(config)
    t.strictSame({ ...masked, auth: { ...masked.auth, secret } }, config)
    t.notMatch(toYaml(masked), secret)
    t.equal(config.auth.secret, secret, 'the original is left alone')
    t.match(faultsOfText(toYaml(masked)), [/auth\.secret: must be empty or at least 32 characters long$/])
    t.equal(maskSecrets(defaults).auth.secret, '')
  })
})

t.test('printing', async (t) => {
  t.test('prints a configuration that reads back the same', async (t) => {
    for (const config of [defaults, unusual]) t.strictSame(load({ text: toYaml(config) }).config, config)
  })

  t.test('prints any text on one line and reads it back', async () => {
    const awkward = fc.constantFrom('a', '0', ' ', '\n', '\r', '\t', '"', "'", '#', ':', '\\', '!', '\u2028', '\0', '\ud800', '💥')
    const letters = fc.oneof(awkward, fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }))
    fc.assert(fc.property(fc.string({ unit: letters, maxLength: 120 }), (issuer) => {
      const config = { ...defaults, auth: { ...defaults.auth, issuer } }
      const yaml = toYaml(config)
      return yaml.split('\n').length === toYaml(defaults).split('\n').length && load({ text: yaml }).config.auth.issuer === issuer
    }), { numRuns: 300 })
  })

  t.test('prints durations and sizes as people write them', async (t) => {
    const lines = toYaml(defaults).split('\n').map((text) => text.trim())
    for (const line of ['pingPeriod: 20s', 'maxAge: 1d', 'maxSize: 1GiB', 'writeReadBufferSize: 20KiB', 'maxMessageSize: 65535']) {
      t.ok(lines.includes(line), line)
    }
  })
})

t.test('generated files', async (t) => {
  const stale = 'differs from services/config: run `npm run docs`'

  t.test('config.yml, docs/configuration.md and the type of the options are up to date', async (t) => {
    t.equal(readFileSync(packagePath('config.yml'), 'utf8'), configFile(), `config.yml ${stale}`)
    t.equal(readFileSync(packagePath('docs/configuration.md'), 'utf8'), configurationPage(), `docs/configuration.md ${stale}`)
    t.equal(readFileSync(packagePath('services/config/input.ts'), 'utf8'), inputTypes(), `services/config/input.ts ${stale}`)
  })

  t.test('config.yml read as it is gives the defaults and holds every key once', async (t) => {
    t.strictSame(load({ text: configFile() }).config, defaults)
    const keys = (yaml: string) => [...yaml.matchAll(/^ *\w+:/gm)].map(([key]) => key)
    t.strictSame(keys(configFile()), keys(toYaml(defaults)))
  })

  t.test('every key has a row in docs/configuration.md, with a variable that sets it', async (t) => {
    const rows = [...configurationPage().matchAll(/^\| `(?<path>[\w.]+)` \| `(?<variable>HUB_[A-Z_]+)`/gm)]
    const written = parseDocument(toYaml(unusual))
    const env = Object.fromEntries(rows.map(({ groups: { path = '', variable = '' } = {} }) => {
      const value: unknown = written.getIn(path.split('.'))
      return [variable, isSeq(value) ? value.items.join(',') : String(value)]
    }))
    t.strictSame(load({ env }), { config: unusual, warnings: [], file: null })
    t.equal(env.HUB_WEBSOCKET_DRAIN_BATCH, '1')
  })
})
