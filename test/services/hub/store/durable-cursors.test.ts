import t, { type Test } from 'tap'
import { createMemoryEngine } from '../../../../services/engine/memory/engine.ts'
import { DurableCursors } from '../../../../services/hub/store/durable-cursors.ts'
import { throwingLog } from '../peer.ts'

/** The durable cursors on a log that keeps two messages for each user. */
function newCursors (t: Test, maxEverything = 0) {
  const log = { maxAgeMs: 60_000, maxCount: 100 }
  const engine = createMemoryEngine({ log, inbox: { ...log, maxCount: 2 }, maxBytes: 10_000, idempotencyWindowMs: 1000 })
  t.teardown(() => engine.close())
  const clock = { wall: () => Date.UTC(2026, 0, 1), steady: () => 0 }
  const cursors = new DurableCursors(engine, { maxEverything, rememberMs: 60_000 }, clock, throwingLog())
  const publish = async (user = 'alice'): Promise<number> => {
    return (await engine.append({ address: { user }, payload: { kind: 'text', data: 'x' } })).offset
  }
  return { cursors, engine, publish }
}

const inbox = (name = '', user = 'alice') => ({ user, name, scope: 'inbox' as const })
const everything = (user = 'alice') => ({ user, name: '', scope: 'everything' as const })

t.test('a new cursor starts where its scope says', async (t) => {
  const { cursors, publish } = newCursors(t)
  const [first, second] = [await publish(), await publish()]
  t.equal(await cursors.open(inbox()), 0, 'an inbox: the beginning of the log')
  t.equal(await cursors.open(everything()), second, 'everything: the head')
  cursors.acknowledge(inbox(), first)
  await cursors.idle()
  t.equal(await cursors.open(inbox('phone')), first, 'a device: the cursor without a name')
  await cursors.idle()
  cursors.acknowledge(inbox(), second)
  await cursors.idle()
  t.equal(await cursors.open(inbox('phone')), first, 'which it no longer follows')
  const { cursors: listed } = await cursors.info('alice')
  t.same(listed.map(({ device, scope, acknowledged }) => [device, scope, acknowledged]), [
    ['', 'inbox', second], ['phone', 'inbox', first], ['', 'everything', second]
  ])
})

t.test('an acknowledgement moves its own cursor alone, and never back', async (t) => {
  const { cursors, publish } = newCursors(t)
  const [first, second] = [await publish(), await publish()]
  for (const one of [inbox(), inbox('phone'), everything()]) await cursors.open(one)
  cursors.acknowledge(inbox('phone'), second)
  cursors.acknowledge(inbox('phone'), first)
  await cursors.idle()
  cursors.acknowledge(inbox('phone'), first)
  await cursors.idle()
  t.same([await cursors.open(inbox()), await cursors.open(inbox('phone'))], [0, second])
})

t.test('after a purge, lost messages are counted from the beginning again, for every shared cursor', async (t) => {
  for (const cursor of [inbox(), everything()]) {
    const { cursors, publish } = newCursors(t)
    await cursors.open(cursor)
    for (let n = 0; n < 3; n++) {
      cursors.acknowledge(cursor, await publish())
      await cursors.idle()
    }
    t.match(await cursors.info('alice'), { count: 0, dropped: 0 })
    await cursors.purge('alice')
    for (let n = 0; n < 4; n++) await publish()
    t.match(await cursors.info('alice'), { count: 2, dropped: 2 }, cursor.scope)
  }
})

t.test('a user has at most 50 named cursors, also of devices that only acknowledge', async (t) => {
  const { cursors, engine, publish } = newCursors(t)
  const offset = await publish()
  for (let n = 0; n < 120; n++) {
    if (n % 2 === 0) await cursors.open(inbox(`d${n}`))
    else cursors.acknowledge(inbox(`d${n}`), offset)
    await cursors.idle()
  }
  t.equal((await engine.state.list(['inbox', 'alice'], 1000)).length, 50)
  t.ok(await cursors.has(inbox('d119')), 'the newest stays')
})

t.test('a user has at most 50 named cursors, also when many are added at the same time', async (t) => {
  const { cursors, engine, publish } = newCursors(t)
  const offset = await publish()
  const devices = Array.from({ length: 80 }, (_, n) => inbox(`d${n}`))
  await Promise.all([
    ...devices.slice(0, 40).map((device) => cursors.open(device)),
    ...devices.slice(40).map((device) => cursors.countRedelivery(device, offset, 10))
  ])
  await cursors.idle()
  const { length } = await engine.state.list(['inbox', 'alice'], 1000)
  t.ok(length <= 50 && length >= 40, `${length} names`)
  for (const n of devices.keys()) await cursors.countRedelivery(inbox(`later${n}`), offset, 10)
  t.equal((await engine.state.list(['inbox', 'alice'], 1000)).length, 50)
})

t.test('a failed watch of the cursors is repeated', async (t) => {
  const { cursors, engine } = newCursors(t, 1)
  const watch = engine.state.watch.bind(engine.state)
  engine.state.watch = () => Promise.reject(new Error('unreadable'))
  await t.rejects(cursors.open(everything()), { message: 'unreadable' })
  engine.state.watch = watch
  t.type(await cursors.open(everything()), 'number')
})

t.test('a removed cursor is not created again by a late acknowledgement, unless it is an inbox', async (t) => {
  const { cursors, publish } = newCursors(t)
  for (const cursor of [inbox(), everything()]) await cursors.open(cursor)
  const offset = await publish()
  for (const cursor of [inbox(), everything()]) {
    await cursors.remove(cursor)
    cursors.acknowledge(cursor, offset)
  }
  await cursors.idle()
  t.same([await cursors.has(inbox()), await cursors.has(everything())], [true, false])
})

t.test('there are no more cursors with the scope everything than the limit, and a removed one makes room', async (t) => {
  const { cursors } = newCursors(t, 2)
  await Promise.all([cursors.open(everything('alice')), cursors.open(everything('alice')), cursors.open(everything('bob'))])
  await t.rejects(cursors.open(everything('carol')), { code: 'HUB_FULL' })
  t.type(await cursors.open(everything('bob')), 'number', 'an existing one opens')
  await cursors.remove(everything('bob'))
  t.type(await cursors.open(everything('carol')), 'number')
})
