import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import t, { type Test } from 'tap'
import { keyOf } from '../../../../services/engine/lmdb/layout.ts'
import { LmdbEngine } from '../../../../services/engine/lmdb/engine.ts'
import { LMDB_OPTIONS } from '../../../../services/engine/lmdb/store.ts'
import { ALL, numbers, readAll, draft } from '../../../engine-suite/engine-suite.ts'
import { Child } from './child-process.ts'
import { openEngine, ROOMY, Sentences } from './kit.ts'

t.setTimeout(120_000)

const PAGE = 4096

/** A folder with a store in which there is something to break. */
async function used (t: Test): Promise<{ path: string, data: string, head: number }> {
  const path = t.testdir({})
  const engine = await openEngine(t, path)
  await Promise.all(numbers(500).map((n) => engine.append(draft(n.padEnd(300, '.')))))
  const { head } = engine
  await engine.close()
  return { path, data: join(path, 'data.mdb'), head }
}

function owners (path: string): string[] {
  return readdirSync(path).filter((name) => name.startsWith('owner-'))
}

t.test('a folder belongs to one process, for as long as that lives', async (t) => {
  const path = t.testdir({})
  const child = new Child(t, ['hold', path])
  await child.until('open')
  await t.rejects(openEngine(t, path), {
    code: 'HUB_STORE_FAILED',
    message: `The folder ${path} is in use by process ${child.said('open')[0]}; end that first, or give this one a folder of its own with engine.path.`
  })
  await child.kill()
  t.equal(owners(path).length, 1, 'what it left behind')
  const engine = await openEngine(t, path)
  t.ok((await engine.append(draft('1'))).stored)
  t.equal(owners(path).length, 1, 'is gone')
  await t.rejects(openEngine(t, path), { code: 'HUB_STORE_FAILED', message: /is in use by this process already; / })
  t.ok((await engine.append(draft('2'))).stored, 'who has it is not disturbed')
  await engine.close()
  t.same(owners(path), [])
  t.same((await readAll(await openEngine(t, path), [ALL])).texts, ['1', '2'])
})

t.test('of two that come at the same time, no more than one gets the folder', async (t) => {
  const path = t.testdir({})
  const outcomes = await Promise.allSettled(numbers(3).map(() => openEngine(t, path)))
  t.ok(outcomes.filter(({ status }) => status === 'fulfilled').length <= 1)
})

t.test('a process id that somebody else has by now locks nobody out, and a folder may have a long name', async (t) => {
  const path = join(t.testdir({}), 'x'.repeat(120))
  mkdirSync(path)
  // Left over from a process whose number is that of one that lives.
  writeFileSync(join(path, `owner-${process.ppid}-0123abcd.sock`), '')
  const engine = await openEngine(t, path)
  t.ok((await engine.append(draft('1'))).stored)
  t.equal(owners(path).length, 1)
  await t.rejects(openEngine(t, path), { code: 'HUB_STORE_FAILED' })
})

t.test('a folder that cannot be used is named', async (t) => {
  const path = t.testdir({ file: '' })
  await t.rejects(openEngine(t, join(path, 'file')), { code: 'HUB_STORE_FAILED', message: /^The folder .*file cannot be made / })
})

const DAMAGES: Array<[what: string, damage: (data: string) => void]> = [
  ['garbage', (data) => writeFileSync(data, Buffer.alloc(300_000, 'garbage'))],
  ['a few bytes of garbage', (data) => writeFileSync(data, 'garbage')],
  ['cut off in the middle', (data) => truncateSync(data, 25 * PAGE)],
  ['cut off after its first page', (data) => truncateSync(data, PAGE)],
  ['cut off after its second page', (data) => truncateSync(data, 2 * PAGE)],
  ['full of zeros, but for its head', (data) => writeFileSync(data, Buffer.concat([readFileSync(data).subarray(0, 2 * PAGE), Buffer.alloc(readFileSync(data).length - 2 * PAGE)]))]
]

for (const [what, damage] of DAMAGES) {
  t.test(`a file that is ${what} is moved aside, and the log begins empty`, async (t) => {
    const { path, data, head } = await used(t)
    damage(data)
    const damaged = readFileSync(data)
    const log = new Sentences()
    const engine = await LmdbEngine.open(ROOMY, { path, log })
    t.teardown(() => engine.close())
    const [said, ...more] = log.all
    t.same(more, [])
    t.match(said, { level: 'error', circumstances: { path }, sentence: /^the log is damaged and was moved aside; / })
    const { movedTo } = said?.circumstances as { movedTo: string }
    t.ok(damaged.equals(readFileSync(join(movedTo, 'data.mdb'))), 'as it was')
    t.same(await readAll(engine, [ALL]), { texts: [], hasGap: false })
    t.same(await readAll(engine, [ALL], head), { texts: [], hasGap: true }, 'whoever comes back is told')
    const { offset, stored } = await engine.append(draft('new'))
    t.ok(stored && offset > head, 'offsets rise on')
    t.same((await readAll(engine, [ALL])).texts, ['new'])
  })
}

t.test('a file that ends the process when it is opened is moved aside the next time', async (t) => {
  const { path, data } = await used(t)
  const bytes = readFileSync(data)
  for (const page of [0, 1]) bytes.fill(0xA5, page * PAGE + 56, page * PAGE + 300)
  writeFileSync(data, bytes)
  const child = new Child(t, ['hold', path])
  const { signal } = await child.ended()
  t.ok(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGFPE'].includes(signal ?? ''), `lmdb ends the process (${signal})`)
  const log = new Sentences()
  const engine = await LmdbEngine.open(ROOMY, { path, log })
  t.teardown(() => engine.close())
  t.equal(log.at('error').length, 1)
  t.ok((await engine.append(draft('new'))).stored)
})

t.test('a process that was killed while it opened a good file, or has been killed again and again, loses nothing', async (t) => {
  const { path } = await used(t)
  for (const content of ['{"phase":"opening","unclean":1}', '{"phase":"open","unclean":3}', '{"pha']) {
    writeFileSync(join(path, 'opened.json'), content)
    const log = new Sentences()
    const engine = await LmdbEngine.open(ROOMY, { path, log })
    t.equal((await readAll(engine, [ALL])).texts.length, 500)
    t.same(log.all, [])
    t.same(JSON.parse(readFileSync(join(path, 'opened.json'), 'utf8')), { phase: 'open', unclean: 1 })
    await engine.close()
    t.notOk(existsSync(join(path, 'opened.json')))
  }
})

/** Overwrites the one page that holds a message; nothing looks at it when the store is opened. */
function breakPage (data: string, text: string): void {
  const bytes = readFileSync(data)
  const at = bytes.indexOf(text.padEnd(100, '.'))
  bytes.fill(0, at - at % PAGE, at - at % PAGE + PAGE)
  writeFileSync(data, bytes)
}

t.test('damage that shows while it runs is found when the store is opened the next time', async (t) => {
  const { path, data, head } = await used(t)
  breakPage(data, '499')
  const engine = await openEngine(t, path)
  await t.rejects(engine.find(head), { code: 'HUB_STORE_FAILED', message: 'The log cannot be read.' })
  await engine.close()
  const log = new Sentences()
  const next = await LmdbEngine.open(ROOMY, { path, log })
  t.teardown(() => next.close())
  t.equal(log.at('error').length, 1)
  t.equal(await next.find(head), undefined)
})

t.test('damage that ends the process again and again is found in the end', async (t) => {
  const { path, data } = await used(t)
  breakPage(data, '250')
  const ends: Array<string | null> = []
  while (ends.length < 4) {
    const child = new Child(t, ['read', path])
    ends.push((await child.ended()).signal)
    if (child.said('read').length === 0) continue
    t.same(child.said('read'), ['0'])
    t.match(child.said('logged'), ['error the log is damaged and was moved aside; it begins empty, and whoever comes back is told of a gap'])
  }
  t.same(ends, ['SIGABRT', 'SIGABRT', 'SIGABRT', null])
})

t.test('a store that another version wrote is left alone', async (t) => {
  const { path } = await used(t)
  const db = open<Buffer, Buffer>({ path, ...LMDB_OPTIONS })
  await db.put(keyOf('meta', Buffer.from('layout')), Buffer.from('99'))
  await db.close()
  await t.rejects(openEngine(t, path), { code: 'HUB_STORE_FAILED', message: /has the layout 99, and this version of fastify-hub knows only 1: run the version that wrote it/ })
  t.same(owners(path), [], 'and is not kept locked')
  t.same(readdirSync(path).filter((name) => name.startsWith('damaged')), [])
})
