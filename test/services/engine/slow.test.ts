// The suites on a composition whose order is slow on purpose and whose reads are awaited, and what only such an engine
// shows: records of other nodes, holes, and an order that cannot be reached.

import t from 'tap'
import type { Message } from '../../../services/model/message.ts'
import { Lifetime } from '../../../services/engine/lifetime.ts'
import { MemoryState } from '../../../services/engine/memory/state.ts'
import {
  ALL, BOB, draft, engineSuite, LIMITS, NEWS, orderSuite, readAll, stateSuite, texts
} from '../../engine-suite/engine-suite.ts'
import { createSlowEngine, SlowOrder, SlowState } from '../../engine-suite/slow.ts'

engineSuite('slow ports', () => {
  let now = Date.UTC(2026, 0, 1)
  const { engine } = createSlowEngine({ ...LIMITS, now: () => now })
  return { engine, advance: (ms) => { now += ms }, isImmediate: false }
})
orderSuite('slow ports', () => new SlowOrder())
stateSuite('slow ports', () => {
  let now = Date.UTC(2026, 0, 1)
  return {
    state: new SlowState(new MemoryState(() => now, new Lifetime())), advance: (ms) => { now += ms }, isImmediate: false
  }
})

t.test('a follower receives the messages of other nodes, and their keys count', async (t) => {
  const { engine, order } = createSlowEngine(LIMITS)
  const received: Message[] = []
  engine.follow((message) => received.push(message))
  const at = Date.now()
  const own = engine.append(draft('own'))
  order.appendElsewhere({ kind: 'message', draft: draft('from elsewhere', { address: BOB }), at })
  await own
  t.same(texts(received), ['from elsewhere', 'own'])
  order.appendElsewhere({ kind: 'purge', address: BOB, at })
  t.same((await readAll(engine, [ALL, BOB])).texts, ['own'])
  await engine.close()
})

t.test('a hole is reported to the follower, and is a gap for every address', async (t) => {
  const { engine, order } = createSlowEngine(LIMITS)
  const holes: unknown[] = []
  engine.follow(() => {}, (...hole) => holes.push(hole))
  const { offset } = await engine.append(draft('before', { address: BOB }))
  const upTo = order.lose()
  t.same(holes, [[offset, upTo]])
  t.equal(engine.head, upTo)
  t.same(await readAll(engine, [BOB, NEWS], offset), { texts: [], hasGap: true })
  t.same(await readAll(engine, [BOB, NEWS], upTo), { texts: [], hasGap: false })
  await engine.close()
})

t.test('while the order cannot be reached, append rejects, nobody receives the message, and reads go on', async (t) => {
  const { engine, order } = createSlowEngine(LIMITS)
  const received: Message[] = []
  engine.follow((message) => received.push(message))
  await engine.append(draft('before'))
  order.problem = 'The broker cannot be reached.'
  t.equal(engine.problem, 'The broker cannot be reached.')
  await t.rejects(engine.append(draft('lost')), { code: 'HUB_STORE_FAILED', message: 'The broker cannot be reached.' })
  await t.rejects(engine.purge(BOB), { code: 'HUB_STORE_FAILED' })
  t.same((await readAll(engine, [ALL])).texts, ['before'])
  order.problem = null
  await engine.append(draft('after'))
  t.same(texts(received), ['before', 'after'])
  await engine.close()
})
