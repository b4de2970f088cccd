// Takes over 10 s on a busy machine: 60 000 messages are written and evicted to show that the file stays small.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openLmdbEngine } from '../../../../services/engine/lmdb/engine.ts'
import { openFolder } from '../../../../services/engine/lmdb/folder.ts'
import { LmdbStore } from '../../../../services/engine/lmdb/store.ts'
import { LmdbFile, type Range } from '../../../../services/engine/lmdb/file.ts'
import type { Message } from '../../../../services/model/message.ts'
import { ALL, AMPLE_RETENTION, BOB, draft, engineSuite, LIMITS, LogRecorder, NEWS, numbers, readAll, stateSuite, storeSuite } from '../../../engine-suite/engine-suite.ts'
import { openEngine } from './kit.ts'
import { testFolder } from '../../../support/test-folder.ts'

engineSuite('lmdb', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const engine = await openLmdbEngine({ ...LIMITS, now: () => now }, { path: testFolder(t), log: new LogRecorder() })
  return { engine, advance: (ms) => { now += ms } }
})
stateSuite('lmdb', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const { state } = await openEngine(t, testFolder(t), { now: () => now })
  return { state, advance: (ms) => { now += ms } }
})
storeSuite('lmdb', async (t, start) => {
  let now = start
  const retention = { ...LIMITS, now: () => now }
  const place = { path: testFolder(t), log: new LogRecorder() }
  const store = new LmdbStore(await openFolder(place.path, place.log, retention.now), retention, place)
  return { store, setClock: (to) => { now = to }, hasOwnTimes: false }
})

t.test('offsets keep rising when the clock goes back, while the engine runs and while it is closed', async (t) => {
  const path = testFolder(t)
  let now = Date.UTC(2026, 0, 1)
  const offsets: number[] = []
  for (const backMs of [0, 3_600_000, 1, 86_400_000]) {
    now -= backMs
    const engine = await openEngine(t, path, { now: () => now })
    for (const n of numbers(3)) {
      offsets.push((await engine.append(draft(n))).offset)
      now -= 1000
    }
    await engine.close()
  }
  t.same(offsets, [...new Set(offsets)].sort((a, b) => a - b))
  const engine = await openEngine(t, path, { now: () => now })
  t.equal((await readAll(engine, [ALL])).texts.length, 12)
  now = Date.UTC(2027, 0, 1)
  t.equal((await engine.append(draft('later'))).offset, now * 1000, 'offsets follow the clock again once it is ahead')
})

/** The space that a file keeps for a large transaction: services/engine/lmdb/room.ts. */
const SPARE_BYTES = 8 * 1024 ** 2

t.test('a file from which 60 000 messages were evicted stays small', async (t) => {
  const path = testFolder(t)
  const engine = await openEngine(t, path, {
    log: { ...AMPLE_RETENTION.log, maxCount: 2000 },
    inbox: { ...AMPLE_RETENTION.inbox, maxCount: 10 },
    maxBytes: 2 * 1024 ** 2
  })
  const COUNT = 60_000
  for (let n = 0; n < COUNT; n += 2000) {
    await Promise.all(numbers(2000).map((k) => engine.append(draft(`${n + Number(k)}`, { address: Number(k) % 2 === 0 ? NEWS : { user: `${Number(k) % 500}` } }))))
  }
  const { count: kept, evicted } = await engine.summary({ address: NEWS, after: 0 })
  t.equal(kept, 2000)
  t.equal(evicted.count + kept, COUNT / 2, 'each message is kept or counted as evicted')
  t.equal((await readAll(engine, [NEWS], evicted.upTo)).texts[0], `${COUNT - 4000}`)
  const { size } = statSync(join(path, 'data.mdb'))
  // 4.7 MB: a leak of 61 bytes a message exceeds the limit.
  t.ok(size < 8 * 1024 ** 2, `${size} bytes`)
})

t.test('a file uses maxBytes and is not much larger, with small and with large messages', async (t) => {
  const maxBytes = 6 * 1024 ** 2
  const groups = numbers(50)
  for (const [length, count] of [[100, 30_000], [1000, 10_000], [20_000, 1000]] as const) {
    const path = testFolder(t)
    const engine = await openEngine(t, path, { maxBytes })
    for (let n = 0; n < count; n += 500) await Promise.all(numbers(500).map((k) => engine.append(draft(k.padEnd(length, '.'), { address: { group: `${Number(k) % 50}` } }))))
    const { size } = statSync(join(path, 'data.mdb'))
    const summaries = await Promise.all(groups.map((group) => engine.summary({ address: { group }, after: 0 })))
    const kept = summaries.reduce((sum, summary) => sum + summary.count, 0)
    t.ok(size - SPARE_BYTES < 2 * maxBytes, `${length}: ${size} bytes`)
    t.ok(kept < count && kept * (length + 100) > maxBytes / 3, `${length}: ${kept} messages`)
    await engine.close()
  }
})

t.test('tombstones are bounded: an address without one may report a false gap, and never misses a gap', async (t) => {
  const path = testFolder(t)
  let now = Date.UTC(2026, 0, 1)
  const open = () => openEngine(t, path, { ...LIMITS, now: () => now }, { maxVanished: 10 })
  let engine = await open()
  const offsets: number[] = []
  for (const user of numbers(30)) {
    offsets.push((await engine.append(draft('1', { address: { user } }))).offset)
    now += 1
  }
  t.notOk((await readAll(engine, [{ user: '3' }, { user: 'unknown' }])).hasGap)
  now += LIMITS.inbox.maxAgeMs
  for (const n of numbers(4)) await engine.append(draft(n, { address: NEWS }))
  await engine.close()
  engine = await open()
  for (const user of numbers(30)) t.ok((await readAll(engine, [{ user }])).hasGap, `user ${user} has a gap`)
  t.ok((await readAll(engine, [{ user: 'unknown' }])).hasGap, 'a false gap')
  t.notOk((await readAll(engine, [{ user: 'unknown' }], offsets[20])).hasGap)
  t.ok((await readAll(engine, [{ user: '29' }], offsets[28])).hasGap)
  t.notOk((await readAll(engine, [{ group: 'unknown' }])).hasGap, 'other kinds of addresses have no false gap')
  await engine.append(draft('2', { address: { user: '3' } }))
  t.same(await readAll(engine, [{ user: '3' }]), { texts: ['2'], hasGap: true })
})

t.test('a read visits only the entries that it returns, however many other messages there are', async (t) => {
  const engine = await openEngine(t, testFolder(t))
  for (let n = 0; n < 5000; n += 500) {
    await Promise.all(numbers(500).map((k) => engine.append(draft(k, { address: Number(k) % 100 === 0 ? BOB : { user: k } }))))
  }
  const original = Object.getOwnPropertyDescriptor(LmdbFile.prototype, 'entries')?.value as (this: LmdbFile, range: Range) => ReturnType<LmdbFile['entries']>
  t.teardown(() => { LmdbFile.prototype.entries = original })
  let entriesRead = 0
  LmdbFile.prototype.entries = function * (range) {
    for (const entry of original.call(this, range)) {
      entriesRead++
      yield entry
    }
  }
  const { messages, upTo } = await engine.read([{ address: BOB, after: 0 }, { address: { user: '1' }, after: 0 }], { messages: 10, bytes: 1000 })
  t.equal(messages.length, 10)
  t.ok(entriesRead <= 12, `${entriesRead} entries`)
  entriesRead = 0
  await engine.read([{ address: BOB, after: upTo }, { address: ALL, after: 0 }, { address: { user: 'nobody' }, after: 0 }], { messages: 1, bytes: 1000 })
  t.ok(entriesRead <= 2, `${entriesRead} entries`)
})

t.test('an address or a key that is too long for the store is refused, and other appends succeed', async (t) => {
  const engine = await openEngine(t, testFolder(t))
  const delivered: Message[] = []
  engine.follow((message) => delivered.push(message))
  const outcomes = await Promise.allSettled([
    engine.append(draft('1')),
    engine.append(draft('2', { address: { user: 'x'.repeat(2000) } })),
    engine.state.update(['k'.repeat(1025)], () => 1, 1000),
    engine.state.update(['k'.repeat(1024)], () => 1, 1000),
    engine.append(draft('3', { key: 'k'.repeat(4096) }))
  ])
  t.same(outcomes.map((outcome) => outcome.status === 'rejected' ? (outcome.reason as { code: string }).code : 'done'), ['done', 'HUB_ADDRESS_INVALID', 'HUB_REQUEST_INVALID', 'done', 'done'])
  t.same((await readAll(engine, [ALL])).texts, ['1', '3'])
  await engine.append(draft('widest', { address: { user: '☃'.repeat(256) } }))
  t.same((await readAll(engine, [{ user: '☃'.repeat(256) }])).texts, ['widest'])
})
