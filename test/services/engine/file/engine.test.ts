// The promises of every engine, on segment files, and what only files show: restarts.
import t from 'tap'
import { openFileEngine } from '../../../../services/engine/file/engine.ts'
import { ALL, BOB, engineSuite, LIMITS, numbers, readAll, draft, stateSuite } from '../../../engine-suite/engine-suite.ts'
import { LogRecorder, openEngine } from './kit.ts'

engineSuite('files', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const engine = await openFileEngine({ ...LIMITS, now: () => now }, { path: t.testdir({}), log: new LogRecorder() })
  return { engine, advance: (ms) => { now += ms } }
})
engineSuite('small files, nothing in memory', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const place = { path: t.testdir({}), log: new LogRecorder(), segmentBytes: 2000, hotBytes: 0 }
  const engine = await openFileEngine({ ...LIMITS, now: () => now }, place)
  return { engine, advance: (ms) => { now += ms } }
})
stateSuite('files', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const { state } = await openEngine(t, t.testdir({}), { now: () => now })
  return { state, advance: (ms) => { now += ms } }
})

t.test('a restart keeps messages, eviction summaries, idempotency records and state', async (t) => {
  const path = t.testdir({})
  let now = Date.UTC(2026, 0, 1)
  const retention = { ...LIMITS, now: () => now }
  const first = await openEngine(t, path, retention)
  const { offset } = await first.append(draft('once', { key: 'k' }))
  await first.append(draft('short', { ttl: 2 }))
  for (const n of numbers(LIMITS.inbox.maxCount + 2)) await first.append(draft(n, { address: BOB }))
  await first.state.update(['v'], () => ({ a: 1 }), 10_000)
  await first.state.update(['short'], () => 1, 1000)
  const summary = await first.summary({ address: BOB, after: 0 })
  const { head } = first
  await first.close()

  now += 1000
  const second = await openEngine(t, path, retention)
  t.equal(second.head, head)
  t.same(await readAll(second, [ALL]), { texts: ['once', 'short'], hasGap: false })
  t.same(await readAll(second, [BOB]), { texts: ['2', '3', '4', '5', '6'], hasGap: true })
  t.same(await second.summary({ address: BOB, after: 0 }), summary)
  t.same(await second.append(draft('once', { key: 'k' })), { offset, duplicate: true, stored: true })
  await t.rejects(second.append(draft('twice', { key: 'k' })), { code: 'HUB_KEY_REUSED' })
  t.same(await second.state.get(['v']), { a: 1 })
  t.equal(await second.state.get(['short']), undefined)
  t.ok((await second.append(draft('next'))).offset > head)
})
