// The command `log` on folders that the engine wrote.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { main } from '../../../services/cli/main.ts'
import { packagePath } from '../../../services/cli/package.ts'
import type { Engine } from '../../../services/engine/engine.ts'
import { BOB, draft, numbers } from '../../engine-suite/kit.ts'
import { until } from '../../support/until.ts'
import { contentOf, isSealed, segmentsOf } from '../engine/file/files.ts'
import { openEngine } from '../engine/file/kit.ts'
import { testFolder } from '../../support/test-folder.ts'

/** Executes a command line in this process. */
async function command (args: string[]) {
  const output = { stdout: '', stderr: '' }
  const collect = (name: keyof typeof output) => ({ write: (text: string) => { output[name] += text } })
  const serve = () => Promise.reject(new Error('The service must not start.'))
  const code = await main(['log', ...args], { stdout: collect('stdout'), stderr: collect('stderr'), env: {}, serve })
  return { code, ...output, lines: output.stdout.trim().split('\n') }
}

/** Runs the program in a folder. */
async function run (cwd: string, args: string[]) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HUB_'))
  const child = spawn(process.execPath, [packagePath('dist', 'server.js'), ...args], { cwd, env: Object.fromEntries(inherited) })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => { output.stdout += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { output.stderr += chunk.toString() })
  const [code] = await once(child, 'close') as [number | null]
  return { code, ...output, lines: output.stdout.trim().split('\n') }
}

/** A folder with sealed and other segments and a checkpoint, and the engine that still has it open. */
async function fill (t: Test, path: string): Promise<Engine> {
  const engine = await openEngine(t, path, { inbox: { maxAgeMs: 86_400_000, maxCount: 5 } }, { segmentBytes: 4000 })
  for (const n of numbers(60)) {
    await engine.append(draft(`text ${n} ${'x'.repeat(100)}`))
    await engine.append(draft('', { address: BOB, payload: { kind: 'json', data: `{"n":\n12345678901234567890.${n}}` }, key: n }))
  }
  await engine.append(draft('', { address: BOB, payload: { kind: 'binary', data: Buffer.from([0, 255]) }, ttl: 60 }))
  await engine.state.update(['v', 'a/b'], () => ({ a: 1 }), 60_000)
  await engine.append(draft('\u001b[31m \u009b31m', { address: { user: 'control' } }))
  await engine.append(draft('purged', { address: { group: 'g' } }))
  await engine.purge({ group: 'g' })
  await until(() => segmentsOf(path).some((name) => isSealed(join(path, name))), 'a sealed segment')
  return engine
}

t.test('log verify and log dump', async (t) => {
  const folder = testFolder(t)
  const data = join(folder, 'data')
  const engine = await fill(t, data)

  await t.test('work beside a running service and change nothing', async (t) => {
    t.match(await run(folder, ['log', 'verify', 'data']), { code: 0, stderr: '' })
  })
  await engine.close()
  const before = contentOf(data)

  await t.test('verify prints a line for each file and a last line', async (t) => {
    const { code, stderr, lines } = await run(folder, ['log', 'verify'])
    t.match({ code, stderr }, { code: 0, stderr: '' })
    t.equal(lines.length, Object.keys(before).length + 1, 'the folder of the configuration')
    t.match(lines[0], /^\d{8}\.seg: sealed, \d+ records, \d+ living, \d+ bytes, offsets \d+ to \d+$/)
    t.match(lines.find((line) => line.includes('.checkpoint')), /^\d{8}\.checkpoint: \d+ records, \d+ bytes$/)
    t.match(lines.at(-1), /data: \d+ files, \d+ records, \d+ living, \d+ bytes; intact$/)
    t.same(contentOf(data), before)
  })

  await t.test('dump prints the records as JSON, and those of an address', async (t) => {
    const { code, lines } = await run(folder, ['log', 'dump', data])
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    t.equal(code, 0)
    t.same(records.filter(({ kind }) => kind === 'text').length, 62)
    t.notMatch(lines.join(''), /[\0-\x1f\x7f-\x9f]/, 'without control characters')
    t.match(records.find(({ address }) => address === 'user:control'), { payload: '\u001b[31m \u009b31m' })
    const offsets = records.filter(({ kind }) => ['text', 'json', 'binary'].includes(String(kind))).map(({ offset }) => Number(offset))
    t.same(offsets, offsets.toSorted((a, b) => a - b))
    t.match(records.filter(({ kind }) => kind === 'value').at(-1), { state: 'v/a%2Fb', payload: { a: 1 } })
    t.match(records.find(({ kind }) => kind === 'purge'), { address: 'group:g', offset: Number })

    const ofBob = await run(folder, ['log', 'dump', data, '--address', 'user:bob'])
    t.match(ofBob.lines.find((line) => line.includes('"kind":"json"')), /"address":"user:bob","options":\{"key":"\d+"\},"payload":\{"n": 12345678901234567890\.\d+\}\}$/)
    t.match(ofBob.lines.map((line) => JSON.parse(line) as unknown).at(-1), { kind: 'binary', payload: 'AP8=', options: { ttl: 60 }, until: /Z$/ })
    t.ok(ofBob.lines.every((line) => line.includes('"address":"user:bob"')))
    t.same(contentOf(data), before)
  })

  await t.test('damage of every file is found', async (t) => {
    const path = join(folder, 'copy')
    for (const name of Object.keys(before)) {
      rmSync(path, { recursive: true, force: true })
      cpSync(data, path, { recursive: true })
      const bytes = readFileSync(join(path, name))
      if (name === 'offsets') bytes.fill('x')
      else for (const at of [20, 76, 120, bytes.length - 30]) bytes[at] = (bytes[at] ?? 0) ^ 4
      writeFileSync(join(path, name), bytes)
      const { code, lines } = await command(['verify', path])
      t.equal(code, 1, name)
      t.match(lines.find((line) => line.startsWith(name)), /DAMAGED: /, name)
      t.match(lines.at(-1), /damaged: \d of the files$/)
    }
    const names = Object.keys(before).filter((name) => name.endsWith('.seg'))
    cpSync(data, join(folder, 'copy'), { recursive: true })
    appendFileSync(join(folder, 'copy', names.at(-1) ?? ''), 'torn')
    t.match(await command(['verify', path]), { code: 0, stdout: /the newest group is incomplete \(4 bytes\)/ })
    writeFileSync(join(path, '00009999.seg'), '')
    t.match(await command(['verify', path]), { code: 0, stdout: /00009999\.seg: 0 records/ }, 'a new segment')
    rmSync(join(path, '00009999.seg'))
    rmSync(join(folder, 'copy', names.at(-1) ?? ''))
    t.match(await command(['verify', path]), { code: 1, stdout: /: DAMAGED: the file is missing/ })
    writeFileSync(join(folder, 'copy', names[0] ?? ''), before[names[0] ?? '']?.replace(/text (\d+) xx/g, 'text $1 yx') ?? '', 'latin1')
    t.match(await run(folder, ['log', 'dump', 'copy']), { code: 1, stdout: /"kind":"json"/, stderr: /is damaged; fastify-hub log verify/ })
  })
})

t.test('verify finds a file of another log', async (t) => {
  const folder = testFolder(t)
  for (const name of ['one', 'other']) await (await fill(t, join(folder, name))).close()
  const [first = ''] = segmentsOf(join(folder, 'other'))
  cpSync(join(folder, 'other', first), join(folder, 'one', first))
  t.match(await command(['verify', join(folder, 'one')]), { code: 1, stdout: new RegExp(`${first}: .*DAMAGED: .*it is of another log than`) })
})

t.test('a wrong folder or argument ends with exit code 2 and a sentence', async (t) => {
  const folder = testFolder(t, { file: '', empty: {}, fresh: { offsets: `${'1'.padStart(16, '0')}\n` }, foreign: { 'a.txt': '' }, lmdb: { 'data.mdb': '' } })
  const results = await Promise.all([
    ['verify', 'absent'], ['verify', 'file'], ['verify', 'empty'], ['dump', 'foreign'], ['dump', 'lmdb'],
    ['dump', 'fresh', '--address', 'bob'], ['verify', 'fresh', '--address', 'user:bob'], ['show'], ['verify', 'fresh', 'fresh'], ['dump', '--user', 'x']
  ].map(([action = '', name = '', ...more]) => command([action, ...(/^\w/.test(name) ? [join(folder, name)] : [name]), ...more].filter((part) => part !== ''))))
  t.same(results.map(({ code, stdout }) => [code, stdout]), results.map(() => [2, '']))
  t.match(results.map(({ stderr }) => stderr), [
    /There is no folder .*absent/, /file is no folder/, /holds no log/, /holds no log/, /engine lmdb/,
    /--address must be all, user:/, /--address belongs to/, /log verify \[FOLDER\]/, /log verify \[FOLDER\]/, /--user does not belong/
  ])
  t.match(await run(folder, ['log', 'verify']), { code: 2, stdout: '', stderr: /^There is no folder .*data\.$/m })
  t.match(await run(folder, ['log', 'verify', 'fresh']), { code: 0, stdout: /1 files, 0 records, 0 living, 17 bytes; intact/ })
})
