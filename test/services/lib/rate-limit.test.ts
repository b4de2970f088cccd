import t from 'tap'
import { RateLimit } from '../../../services/lib/rate-limit.ts'

/** Of some tries at one time, the number that the limit allows. */
function burst (limit: RateLimit, nowMs: number, tries: number): number {
  return Array.from({ length: tries }, () => limit.allow(nowMs)).filter(Boolean).length
}

t.test('a second\'s worth may come at once, then only what time brings', async (t) => {
  const limit = new RateLimit(10)
  t.equal(burst(limit, 1000, 25), 10)
  t.equal(burst(limit, 1300, 25), 3)
  t.equal(burst(limit, 60_000, 25), 10, 'quiet time is not saved up')
})

t.test('a clock that goes back gives nothing away and takes nothing', async (t) => {
  const limit = new RateLimit(10)
  t.equal(burst(limit, 5000, 4), 4)
  t.equal(burst(limit, 1000, 25), 6)
})

t.test('0 allows everything', async (t) => t.equal(burst(new RateLimit(0), 0, 1000), 1000))

t.test('events can be taken many at a time, and a burst can be larger than the rate', async (t) => {
  const limit = new RateLimit(10, 25)
  t.same([limit.allow(1000, 26), limit.allow(1000, 20), limit.allow(1000, 6), limit.allow(1100, 6)], [false, true, false, true])
})
