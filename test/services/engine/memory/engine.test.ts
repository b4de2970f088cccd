import t from 'tap'
import { createMemoryEngine, createMemoryStore } from '../../../../services/engine/memory/engine.ts'
import { Lifetime } from '../../../../services/engine/lifetime.ts'
import { LocalBus } from '../../../../services/engine/local/bus.ts'
import { LocalOrder } from '../../../../services/engine/local/order.ts'
import { MemoryState } from '../../../../services/engine/memory/state.ts'
import { RisingClock } from '../../../../services/lib/clock.ts'
import {
  ALL, busSuite, engineSuite, LIMITS, numbers, orderSuite, readAll, draft, stateSuite, storeSuite
} from '../../../engine-suite/engine-suite.ts'

engineSuite('memory', () => {
  let now = Date.UTC(2026, 0, 1)
  return { engine: createMemoryEngine({ ...LIMITS, now: () => now }), advance: (ms) => { now += ms } }
})
orderSuite('memory', () => new LocalOrder(5, new RisingClock(() => 1)))
storeSuite('memory', (_t, start) => {
  let now = start
  return { store: createMemoryStore(100, { ...LIMITS, now: () => now }), setClock: (to) => { now = to } }
})
stateSuite('memory', () => {
  let now = Date.UTC(2026, 0, 1)
  return { state: new MemoryState(() => now, new Lifetime()), advance: (ms) => { now += ms } }
})
busSuite('memory', () => new LocalBus(new Lifetime()))

t.test('offsets rise on when the clock goes back, and above those of an earlier run', async (t) => {
  let now = 1_000_000
  const clock = new RisingClock(() => now)
  const before = clock.next()
  now -= 500_000
  t.ok(clock.next() > before)

  const restarted = new RisingClock(() => now, before + 1000)
  t.equal(restarted.next(), before + 1001)
  now += 10_000_000
  t.equal(restarted.next(), now * 1000, 'and follow the clock again when it is ahead')
})

t.test('a log that is pruned for long stays as small as its limits', async (t) => {
  const engine = createMemoryEngine({ ...LIMITS, log: { ...LIMITS.log, maxCount: 10 } })
  for (let n = 0; n < 5000; n++) await engine.append(draft(`${n}`, { ttl: 1 + n % 100 }))
  t.same(await readAll(engine, [ALL]), { texts: numbers(5000).slice(-10), hasGap: true })
})

for (const [unit, keys] of Object.entries({ number: { records: 3 }, characters: { characters: 3 } })) t.test(`idempotency keys are bounded in ${unit}: the latest are kept`, async (t) => {
  const engine = createMemoryEngine(LIMITS, { keys })
  const repeat = async (key: string) => (await engine.append(draft(key, { key }))).duplicate
  for (const key of ['a', 'b', 'c']) t.notOk(await repeat(key))
  t.ok(await repeat('a'))
  t.notOk(await repeat('d'))
  t.notOk(await repeat('a'), 'the fourth key took the place of the oldest')
  t.ok(await repeat('d'))
})

t.test('tombstones are bounded: for the others a false gap is reported, never a missed one', async (t) => {
  let now = Date.UTC(2026, 0, 1)
  const engine = createMemoryEngine({ ...LIMITS, now: () => now }, { maxTombstones: 10 })
  const offsets: number[] = []
  for (const n of numbers(30)) offsets.push((await engine.append(draft('1', { address: { user: n } }))).offset)
  t.notOk((await readAll(engine, [{ user: 'unheard of' }])).hasGap)
  now += LIMITS.inbox.maxAgeMs + 1
  await engine.append(draft('evicts'))
  for (const n of numbers(30)) t.ok((await readAll(engine, [{ user: n }])).hasGap, `user ${n} misses one`)
  const last = offsets.at(-1) ?? 0
  t.notOk((await readAll(engine, [{ user: '29' }], last)).hasGap)
  t.ok((await readAll(engine, [{ user: 'unheard of' }])).hasGap, 'it cannot be told any more')
  t.notOk((await readAll(engine, [{ user: 'unheard of' }], last)).hasGap)
  t.notOk((await readAll(engine, [{ group: 'unheard of' }])).hasGap, 'other kinds of addresses are not concerned')
  await engine.append(draft('2', { address: { user: '3' } }))
  t.same(await readAll(engine, [{ user: '3' }]), { texts: ['2'], hasGap: true })
})

t.test('values are bounded: of the kind with the most values, the value that expires first is evicted', async (t) => {
  const { state } = createMemoryEngine(LIMITS, { values: 3 })
  const keys = async () => (await state.list([], 10)).map(({ key }) => key.join())
  await state.update(['rare', 'a'], () => 1, 100)
  await state.update(['many', 'a'], () => 1, 3000)
  await state.update(['many', 'b'], () => 1, 1000)
  await state.update(['many', 'c'], () => 1, 2000)
  t.same(await keys(), ['many,a', 'many,c', 'rare,a'])
  await state.update(['rare', 'a'], () => 'a text that makes this kind the one with the most bytes', 100)
  await state.update(['many', 'd'], () => 1, 500)
  t.same(await keys(), ['many,a', 'many,c', 'rare,a'])
})
