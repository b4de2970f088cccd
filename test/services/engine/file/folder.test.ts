// The folder of a log: who may use it, and what is left alone.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { packagePath } from '../../../../services/cli/package.ts'
import { openFileEngine } from '../../../../services/engine/file/engine.ts'
import { ALL, AMPLE_RETENTION, draft, LogRecorder, numbers, readAll } from '../../../engine-suite/kit.ts'
import { until } from '../../../support/until.ts'
import { Child } from './child-process.ts'
import { contentOf } from './files.ts'
import { openEngine } from './kit.ts'
import { testFolder } from '../../../support/test-folder.ts'

t.setTimeout(60_000)

function ownerFiles (path: string): string[] {
  return readdirSync(path).filter((name) => name.startsWith('owner-'))
}

t.test('a folder belongs to one process for the lifetime of the process', async (t) => {
  const path = testFolder(t)
  const child = new Child(t, ['hold', path])
  await child.until('open')
  await t.rejects(openEngine(t, path), { code: 'HUB_STORE_FAILED', message: /^The folder .* is in use by process \d+; end that first/ })
  await child.kill()
  t.equal(ownerFiles(path).length, 1, 'the owner file of the killed process remains')
  const engine = await openEngine(t, path)
  t.ok((await engine.append(draft('1'))).stored)
  t.equal(ownerFiles(path).length, 1, 'the next process replaces it')
  await t.rejects(openEngine(t, path), { code: 'HUB_STORE_FAILED', message: /is in use by this process already; / })
  t.ok((await engine.append(draft('2'))).stored, 'the owner continues to work')
  await engine.close()
  t.same(ownerFiles(path), [])
  t.same((await readAll(await openEngine(t, path), [ALL])).texts, ['1', '2'])
})

t.test('of several openings of a folder at the same time, at most one succeeds', async (t) => {
  const path = testFolder(t)
  const outcomes = await Promise.allSettled(numbers(3).map(() => openEngine(t, path)))
  t.ok(outcomes.filter(({ status }) => status === 'fulfilled').length <= 1)
})

t.test('an owner file whose process id was reused does not lock the folder, and a folder may have a long name', async (t) => {
  const path = join(testFolder(t), 'x'.repeat(120))
  mkdirSync(path)
  // The owner file of an ended process whose id a running process has now.
  writeFileSync(join(path, `owner-${process.ppid}-0123abcd.sock`), '')
  const engine = await openEngine(t, path)
  t.ok((await engine.append(draft('1'))).stored)
  t.equal(ownerFiles(path).length, 1)
  await t.rejects(openEngine(t, path), { code: 'HUB_STORE_FAILED' })
})

t.test('folder and files are for the user of the process alone', async (t) => {
  const path = join(testFolder(t), 'data')
  const engine = await openEngine(t, path, {}, { segmentBytes: 500 })
  for (const n of numbers(20)) await engine.append(draft(n.repeat(30)))
  await until(() => readdirSync(path).some((name) => name.endsWith('.checkpoint')))
  await engine.close()
  t.equal(statSync(path).mode & 0o777, 0o700)
  for (const name of readdirSync(path)) t.equal(statSync(join(path, name)).mode & 0o777, 0o600, name)
})

t.test('a folder of version 0.1 is refused with what to do, and left as it is', async (t) => {
  const path = testFolder(t)
  // Two messages that version 0.1.0 stored before an orderly end.
  const fixture = packagePath('test/fixtures/version-0.1')
  for (const name of readdirSync(fixture)) {
    const bytes = readFileSync(join(fixture, name))
    writeFileSync(join(path, name.replace('.gz', '')), name.endsWith('.gz') ? gunzipSync(bytes) : bytes)
  }
  const before = contentOf(path)
  await t.rejects(openEngine(t, path), {
    code: 'HUB_STORE_FAILED',
    message: `The folder ${path} holds the log of the engine lmdb, of version 0.1, which this version does not read: choose another folder with engine.path, or run version 0.1 until its inboxes are empty.`
  })
  t.same(contentOf(path), before)
})

t.test('a folder of a later format is refused, and left as it is', async (t) => {
  const path = testFolder(t)
  const engine = await openEngine(t, path)
  await engine.append(draft('1'))
  await engine.close()
  const file = join(path, '00000001.seg')
  const bytes = readFileSync(file)
  // The layout, and the CRC of the header: a header of the future is intact.
  const { checksum } = await import('../../../../services/engine/file/journal/checksum.ts')
  bytes.writeUInt16LE(2, 8)
  bytes.writeUInt32LE(checksum(bytes, 0, 68, 0), 68)
  writeFileSync(file, bytes)
  writeFileSync(join(path, '00000002.seg.tmp'), 'left over')
  const before = contentOf(path)
  await t.rejects(openEngine(t, path), { code: 'HUB_STORE_FAILED', message: /has layout 2, and this version reads layout 1; use the version that wrote it/ })
  t.same(contentOf(path), before)
})

t.test('an unusable folder is refused with a sentence that names it', async (t) => {
  const path = testFolder(t, { file: '' })
  await t.rejects(openEngine(t, join(path, 'file')), { code: 'HUB_STORE_FAILED', message: /^The folder .*file cannot be made / })
})

// A folder in which nobody may make a file, the root user included.
if (process.platform === 'linux') {
  t.test('a folder that cannot be written is refused', async (t) => {
    await t.rejects(openEngine(t, '/proc/self/task'), { code: 'HUB_STORE_FAILED', message: /^The folder \/proc\/self\/task cannot be locked / })
  })
}

t.test('a removed file is noticed, and messages go on in a new one', async (t) => {
  const path = testFolder(t)
  const log = new LogRecorder()
  const engine = await openFileEngine(AMPLE_RETENTION, { path, log })
  t.teardown(() => engine.close())
  const { offset } = await engine.append(draft('before'))
  rmSync(join(path, '00000001.seg'))
  await until(() => log.sentencesAt('error').length > 0, 'the notice', 12_000)
  t.match(log.sentencesAt('error'), [/^a file of the log was removed/, /^A file of the log was removed while it was in use/])
  await until(() => engine.problem === null, 'the new file')
  t.ok(existsSync(join(path, '00000002.seg')))
  t.ok((await engine.append(draft('after'))).stored)
  t.same(await readAll(engine, [ALL]), { texts: ['before', 'after'], hasGap: false })
  await engine.close()
  const again = await openEngine(t, path)
  t.same(await readAll(again, [ALL], offset - 1), { texts: ['after'], hasGap: true })
})
