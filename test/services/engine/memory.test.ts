import t from 'tap'
import { MemoryEngine } from '../../../services/engine/memory.ts'
import { RisingClock } from '../../../services/rising-clock.ts'
import { engineSuite, LIMITS } from '../../engine-suite.ts'

engineSuite('memory', () => {
  let now = Date.UTC(2026, 0, 1)
  return { engine: new MemoryEngine({ ...LIMITS, now: () => now }), advance: (ms) => { now += ms } }
})

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
  const engine = new MemoryEngine({ ...LIMITS, maxCount: 10 })
  for (let n = 0; n < 5000; n++) await engine.append({ address: { all: true }, payload: { kind: 'text', data: `${n}` } })
  const { oldest } = engine.range()
  t.equal((await engine.read([{ all: true }], oldest, 1000)).length, 9)
})

t.test('as many keys are remembered as messages may be kept, and the oldest of them is still known', async (t) => {
  const engine = new MemoryEngine({ ...LIMITS, maxCount: 3 })
  const say = (key: string) => engine.append({ address: { all: true }, payload: { kind: 'text', data: key }, key })
  for (const key of ['a', 'b', 'c']) await say(key)
  t.ok((await say('a')).duplicate)
  t.notOk((await say('d')).duplicate)
  t.notOk((await say('a')).duplicate, 'the fourth key took the place of the oldest')
})
