// The promises of every engine, on segment files, and what a folder adds to them.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { openFileEngine, openFileParts } from '../../../../services/engine/file/engine.ts'
import { ALL, draft, engineSuite, LIMITS, LogRecorder, NEWS, numbers, readAll, stateSuite, storeSuite } from '../../../engine-suite/engine-suite.ts'
import { until } from '../../../support/until.ts'
import { hasNewestCheckpoint } from './files.ts'
import { openEngine } from './kit.ts'
import { testFolder } from '../../../support/test-folder.ts'

engineSuite('files', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const engine = await openFileEngine({ ...LIMITS, now: () => now }, { path: testFolder(t), log: new LogRecorder() })
  return { engine, advance: (ms) => { now += ms } }
})
engineSuite('small files, nothing in memory', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const place = { path: testFolder(t), log: new LogRecorder(), segmentBytes: 2000, hotBytes: 0 }
  const engine = await openFileEngine({ ...LIMITS, now: () => now }, place)
  return { engine, advance: (ms) => { now += ms } }
})
for (const [name, sizes] of Object.entries({ files: {}, 'small files': { segmentBytes: 300 } })) storeSuite(name, async (t, start) => {
  let now = start
  // A test may make several stores.
  const path = mkdtempSync(join(tmpdir(), 'fastify-hub-store-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  const { store } = await openFileParts({ ...LIMITS, now: () => now }, { path, log: new LogRecorder(), ...sizes })
  return { store, setClock: (to) => { now = to } }
})
stateSuite('files', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const { state } = await openEngine(t, testFolder(t), { now: () => now })
  return { state, advance: (ms) => { now += ms } }
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

t.test('an eviction by a record that is not in the log is counted once, also beside a checkpoint', async (t) => {
  const path = testFolder(t)
  let now = Date.UTC(2026, 0, 1)
  // Each group begins a segment, and so a checkpoint.
  const open = () => openEngine(t, path, { now: () => now }, { segmentBytes: 100 })
  let engine = await open()
  await engine.append(draft('first'))
  const short = engine.append(draft('short', { ttl: 1 }))
  now += 2000
  // In the same turn, so that the checkpoint has the eviction, and the segment behind it the message.
  await Promise.all([short, engine.append(draft('not kept', { keep: false }))])
  const summary = await engine.summary({ address: ALL, after: 0 })
  t.match(summary, { count: 1, evicted: { count: 1 } })
  await until(() => hasNewestCheckpoint(path), 'the checkpoint')
  await engine.close()
  engine = await open()
  await engine.append(draft('next', { address: NEWS }))
  t.same(await engine.summary({ address: ALL, after: 0 }), summary)
})

t.test('tombstones are bounded: an address without one may report a false gap, and never misses a gap', async (t) => {
  const path = testFolder(t)
  let now = Date.UTC(2026, 0, 1)
  const open = () => openEngine(t, path, { ...LIMITS, now: () => now }, { maxTombstones: 10 })
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
