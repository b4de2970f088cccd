// Takes over 10 s on a busy machine: child processes open a store again and again, and some crash on purpose.

import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import t, { type Test } from 'tap'
import { keyOf } from '../../../../services/engine/lmdb/layout.ts'
import { openLmdbEngine } from '../../../../services/engine/lmdb/engine.ts'
import { LMDB_OPTIONS } from '../../../../services/engine/lmdb/file.ts'
import { ALL, AMPLE_RETENTION, Child, draft, LogRecorder, numbers, readAll } from '../../../engine-suite/engine-suite.ts'
import { openEngine } from './kit.ts'
import { testFolder } from '../../../support/test-folder.ts'

t.setTimeout(120_000)

const PAGE = 4096

/** A folder with a store of 500 messages, which a test damages. */
async function storeWithMessages (t: Test): Promise<{ path: string, data: string, head: number }> {
  const path = testFolder(t)
  const engine = await openEngine(t, path)
  await Promise.all(numbers(500).map((n) => engine.append(draft(n.padEnd(300, '.')))))
  const { head } = engine
  await engine.close()
  return { path, data: join(path, 'data.mdb'), head }
}

function ownerFiles (path: string): string[] {
  return readdirSync(path).filter((name) => name.startsWith('owner-'))
}

t.test('a folder belongs to one process for the lifetime of the process', async (t) => {
  const path = testFolder(t)
  const child = new Child(t, ['lmdb', 'hold', path])
  await child.until('open')
  await t.rejects(openEngine(t, path), {
    code: 'HUB_STORE_FAILED',
    message: `The folder ${path} is in use by process ${child.reports('open')[0]}; end that first, or give this one a folder of its own with engine.path.`
  })
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

t.test('the error of an unusable folder names the folder', async (t) => {
  const path = testFolder(t, { file: '' })
  await t.rejects(openEngine(t, join(path, 'file')), { code: 'HUB_STORE_FAILED', message: /^The folder .*file cannot be made / })
})

const DAMAGES: Array<[title: string, damage: (data: string) => void]> = [
  ['garbage', (data) => writeFileSync(data, Buffer.alloc(300_000, 'garbage'))],
  ['a few bytes of garbage', (data) => writeFileSync(data, 'garbage')],
  ['cut off in the middle', (data) => truncateSync(data, 25 * PAGE)],
  ['cut off after its first page', (data) => truncateSync(data, PAGE)],
  ['cut off after its second page', (data) => truncateSync(data, 2 * PAGE)],
  ['full of zeros, but for its head', (data) => writeFileSync(data, Buffer.concat([readFileSync(data).subarray(0, 2 * PAGE), Buffer.alloc(readFileSync(data).length - 2 * PAGE)]))]
]

for (const [title, damage] of DAMAGES) {
  t.test(`a file that is ${title} is moved aside, and the log begins empty`, async (t) => {
    const { path, data, head } = await storeWithMessages(t)
    damage(data)
    const damaged = readFileSync(data)
    const log = new LogRecorder()
    const engine = await openLmdbEngine(AMPLE_RETENTION, { path, log })
    t.teardown(() => engine.close())
    const [entry, ...more] = log.entries
    t.same(more, [])
    t.match(entry, { level: 'error', fields: { path }, sentence: /^the log is damaged and was moved aside; / })
    const { movedTo } = entry?.fields as { movedTo: string }
    t.ok(damaged.equals(readFileSync(join(movedTo, 'data.mdb'))), 'the file is moved unchanged')
    t.same(await readAll(engine, [ALL]), { texts: [], hasGap: false })
    t.same(await readAll(engine, [ALL], head), { texts: [], hasGap: true }, 'a returning reader gets a gap')
    const { offset, stored } = await engine.append(draft('new'))
    t.ok(stored && offset > head, 'offsets keep rising')
    t.same((await readAll(engine, [ALL])).texts, ['new'])
  })
}

t.test('a file that crashes the process at the opening is moved aside at the next opening', async (t) => {
  const { path, data } = await storeWithMessages(t)
  const bytes = readFileSync(data)
  for (const page of [0, 1]) bytes.fill(0xA5, page * PAGE + 56, page * PAGE + 300)
  writeFileSync(data, bytes)
  const child = new Child(t, ['lmdb', 'hold', path])
  const { signal } = await child.closed()
  t.ok(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGFPE'].includes(signal ?? ''), `lmdb ends the process (${signal})`)
  const log = new LogRecorder()
  const engine = await openLmdbEngine(AMPLE_RETENTION, { path, log })
  t.teardown(() => engine.close())
  t.equal(log.sentencesAt('error').length, 1)
  t.ok((await engine.append(draft('new'))).stored)
})

t.test('an intact file is kept after a kill during the opening, and after repeated kills', async (t) => {
  const { path } = await storeWithMessages(t)
  for (const content of ['{"phase":"opening","unclean":1}', '{"phase":"open","unclean":3}', '{"pha']) {
    writeFileSync(join(path, 'opened.json'), content)
    const log = new LogRecorder()
    const engine = await openLmdbEngine(AMPLE_RETENTION, { path, log })
    t.equal((await readAll(engine, [ALL])).texts.length, 500)
    t.same(log.entries, [])
    t.same(JSON.parse(readFileSync(join(path, 'opened.json'), 'utf8')), { phase: 'open', unclean: 1 })
    await engine.close()
    t.notOk(existsSync(join(path, 'opened.json')))
  }
})

/** Overwrites the page that holds a message. Opening the store does not read this page. */
function breakPage (data: string, text: string): void {
  const bytes = readFileSync(data)
  const at = bytes.indexOf(text.padEnd(100, '.'))
  bytes.fill(0, at - at % PAGE, at - at % PAGE + PAGE)
  writeFileSync(data, bytes)
}

t.test('damage that a read meets is detected at the next opening', async (t) => {
  const { path, data, head } = await storeWithMessages(t)
  breakPage(data, '499')
  const engine = await openEngine(t, path)
  await t.rejects(engine.find(head), { code: 'HUB_STORE_FAILED', message: 'The log cannot be read.' })
  await engine.close()
  const log = new LogRecorder()
  const next = await openLmdbEngine(AMPLE_RETENTION, { path, log })
  t.teardown(() => next.close())
  t.equal(log.sentencesAt('error').length, 1)
  t.equal(await next.find(head), undefined)
})

t.test('damage that crashes the process repeatedly is detected after three crashes', async (t) => {
  const { path, data } = await storeWithMessages(t)
  breakPage(data, '250')
  const ends: Array<string | null> = []
  while (ends.length < 4) {
    const child = new Child(t, ['lmdb', 'read', path])
    ends.push((await child.closed()).signal)
    if (child.reports('read').length === 0) continue
    t.same(child.reports('read'), ['0'])
    t.match(child.reports('logged'), ['error the log is damaged and was moved aside; it begins empty, and whoever comes back is told of a gap'])
  }
  t.same(ends, ['SIGABRT', 'SIGABRT', 'SIGABRT', null])
})

t.test('a store of an unknown layout is refused and left unchanged', async (t) => {
  const { path } = await storeWithMessages(t)
  const db = open<Buffer, Buffer>({ path, ...LMDB_OPTIONS })
  await db.put(keyOf('meta', Buffer.from('layout')), Buffer.from('99'))
  await db.close()
  await t.rejects(openEngine(t, path), { code: 'HUB_STORE_FAILED', message: /has the layout 99, and this version of fastify-hub knows only 1: run the version that wrote it/ })
  t.same(ownerFiles(path), [], 'the folder is not locked')
  t.same(readdirSync(path).filter((name) => name.startsWith('damaged')), [])
})

t.test('a folder with the log of the engine file is refused with what to do, and left unchanged', async (t) => {
  const path = testFolder(t, { '00000001.seg': 'a log', offsets: '' })
  await t.rejects(openEngine(t, path), {
    code: 'HUB_STORE_FAILED',
    message: `The folder ${path} holds the log of the engine file: set engine.kind to file, or choose another folder with engine.path.`
  })
  t.same(readdirSync(path).sort(), ['00000001.seg', 'offsets'])
})
