import type { Message } from '../../services/model/message.ts'
import { ALL, BOB, LIMITS, NOBODY, numbers, readAll, say, sayAll, texts, type TestOne } from './kit.ts'

/** What is kept, for how long, and what is said of what is not. */
export function retentionPromises (test: TestOne): void {
  test('does not hand out what has expired, nor keep what is not to be kept', async (t, { engine, advance }) => {
    const heard: Message[] = []
    engine.listen((message) => heard.push(message), NOBODY)
    engine.follow(ALL)
    const short = await engine.append(say('short', { ttl: 1 }))
    const live = await engine.append(say('live only', { keep: false, key: 'k' }))
    t.equal(live.stored, false)
    t.same(await engine.append(say('live only', { keep: false, key: 'k' })), { ...live, duplicate: true })
    await engine.append(say('long', { ttl: 30 }))
    t.same(texts(heard), ['short', 'live only', 'long'], 'followers get all of them')
    t.same(await readAll(engine, [ALL]), { texts: ['short', 'long'], hasGap: false })
    advance(1000)
    t.same(await readAll(engine, [ALL]), { texts: ['long'], hasGap: false }, 'what has expired is not missed')
    t.equal(await engine.find(short.offset), undefined)
    t.equal(await engine.find(live.offset), undefined)
    t.match(await engine.summary({ address: ALL, after: 0 }), { count: 1, evicted: { count: 1, upTo: 0 } })
  })

  test('makes room for messages by those that have expired first', async (t, { engine, advance }) => {
    await sayAll(engine, BOB, ['old'])
    for (const n of numbers(LIMITS.inbox.maxCount - 1)) await engine.append(say(n, { address: BOB, ttl: 1 }))
    advance(1000)
    await sayAll(engine, BOB, ['new'])
    t.same(await readAll(engine, [BOB]), { texts: ['old', 'new'], hasGap: false })
  })

  test('takes messages away when they are too old, each sort at its own age', async (t, { engine, advance }) => {
    const [old = 0] = await sayAll(engine, ALL, ['old'])
    await sayAll(engine, BOB, ['in the inbox'])
    advance(LIMITS.log.maxAgeMs)
    t.same(await readAll(engine, [ALL, BOB]), { texts: ['old', 'in the inbox'], hasGap: false })
    advance(1)
    t.same(await readAll(engine, [ALL]), { texts: [], hasGap: true })
    t.same(await readAll(engine, [ALL], old), { texts: [], hasGap: false })
    t.same(await readAll(engine, [BOB]), { texts: ['in the inbox'], hasGap: false })
    t.equal(await engine.find(old), undefined)
    t.same(await engine.summary({ address: ALL, after: 0 }), { count: 0, oldest: 0, evicted: { count: 1, upTo: old } })
    const [next = 0] = await sayAll(engine, ALL, ['new'])
    t.same(await readAll(engine, [ALL]), { texts: ['new'], hasGap: true })
    t.same(await engine.summary({ address: ALL, after: 0 }), { count: 1, oldest: next, evicted: { count: 1, upTo: old } })
    advance(LIMITS.inbox.maxAgeMs - LIMITS.log.maxAgeMs)
    t.same(await readAll(engine, [BOB]), { texts: [], hasGap: true })
  })

  test('takes the oldest messages of an address away when it has too many, and of no other', async (t, { engine }) => {
    await sayAll(engine, { user: 'alice' }, ['for alice'])
    const offsets = await sayAll(engine, BOB, numbers(LIMITS.inbox.maxCount + 2))
    const [, evicted = 0, kept = 0] = offsets
    t.same(await readAll(engine, [BOB]), { texts: ['2', '3', '4', '5', '6'], hasGap: true })
    t.same(await readAll(engine, [BOB], evicted - 1), { texts: ['2', '3', '4', '5', '6'], hasGap: true })
    t.same(await readAll(engine, [BOB], evicted), { texts: ['2', '3', '4', '5', '6'], hasGap: false })
    t.same(await readAll(engine, [{ user: 'alice' }, ALL]), { texts: ['for alice'], hasGap: false })
    t.ok((await readAll(engine, [{ user: 'alice' }, BOB])).hasGap)
    t.same(await engine.summary({ address: BOB, after: kept }), { count: 4, oldest: offsets[3], evicted: { count: 2, upTo: evicted } })
    await Promise.all(numbers(LIMITS.log.maxCount + 5).map((n) => engine.append(say(n))))
    t.match(await engine.summary({ address: ALL, after: 0 }), { count: LIMITS.log.maxCount, evicted: { count: 5 } }, 'said all at once')
    t.same((await readAll(engine, [ALL])).texts[0], '5')
  })

  test('takes the oldest messages of all away when there are too many bytes', async (t, { engine }) => {
    const addresses = ['a', 'b', 'c'].map((group) => ({ group }))
    for (const address of addresses) await sayAll(engine, address, numbers(10).map((n) => n.repeat(750)))
    const pages = await Promise.all(addresses.map((address) => readAll(engine, [address])))
    const kept = pages.map(({ texts }) => texts.length)
    t.same(kept.map((count) => count === 10), [false, false, true])
    t.ok(750 * kept.reduce((sum, count) => sum + count) <= LIMITS.maxBytes)
    t.same(pages.map(({ hasGap }) => hasGap), [true, kept[1] !== 10, false])
    t.same(pages[1]?.texts, numbers(10).slice(10 - (kept[1] ?? 0)).map((n) => n.repeat(750)), 'the newest are left')
  })

  test('hands out a message that is larger than the whole log, does not keep it, and says so', async (t, { engine }) => {
    const heard: Message[] = []
    engine.listen((message) => heard.push(message), NOBODY)
    engine.follow(BOB)
    const [before = 0] = await sayAll(engine, BOB, ['small'])
    const { offset, stored } = await engine.append(say('x'.repeat(LIMITS.maxBytes), { address: BOB }))
    t.notOk(stored)
    t.equal(heard.length, 2)
    t.same(await readAll(engine, [BOB], before), { texts: [], hasGap: true })
    t.same(await readAll(engine, [BOB], offset), { texts: [], hasGap: false })
    t.same(await readAll(engine, [BOB]), { texts: ['small'], hasGap: true })
  })

  test('says how much there is at an address', async (t, { engine }) => {
    t.same(await engine.summary({ address: BOB, after: 0 }), { count: 0, oldest: 0, evicted: { count: 0, upTo: 0 } })
    const [first, second = 0, third] = await sayAll(engine, BOB, ['1', '2', '3'])
    t.same(await engine.summary({ address: BOB, after: 0 }), { count: 3, oldest: first, evicted: { count: 0, upTo: 0 } })
    t.same(await engine.summary({ address: BOB, after: second }), { count: 1, oldest: third, evicted: { count: 0, upTo: 0 } })
    t.same(await engine.summary({ address: BOB, after: 0, upTo: second }), { count: 2, oldest: first, evicted: { count: 0, upTo: 0 } })
    t.same(await engine.summary({ address: BOB, after: second, upTo: second }), { count: 0, oldest: 0, evicted: { count: 0, upTo: 0 } })
    t.same(await engine.summary({ address: BOB, after: engine.head }), { count: 0, oldest: 0, evicted: { count: 0, upTo: 0 } })
  })

  test('finds a message by its offset while it is there', async (t, { engine }) => {
    const [all = 0] = await sayAll(engine, ALL, ['all'])
    const [bob = 0] = await sayAll(engine, BOB, ['bob'])
    t.match(await engine.find(all), { offset: all, address: ALL, payload: { data: 'all' } })
    t.match(await engine.find(bob), { offset: bob, address: BOB, payload: { data: 'bob' } })
    t.equal(await engine.find(all + 0.5), undefined)
    t.equal(await engine.find(1), undefined)
    await sayAll(engine, BOB, numbers(LIMITS.inbox.maxCount))
    t.equal(await engine.find(bob), undefined)
  })

  test('purges an address as if nothing had been said to it, and no other', async (t, { engine }) => {
    await sayAll(engine, ALL, ['all'])
    const offsets = await sayAll(engine, BOB, numbers(LIMITS.inbox.maxCount + 2))
    t.equal(await engine.purge(BOB), LIMITS.inbox.maxCount)
    t.same(await readAll(engine, [BOB]), { texts: [], hasGap: false })
    t.same(await engine.summary({ address: BOB, after: 0 }), { count: 0, oldest: 0, evicted: { count: 0, upTo: 0 } })
    t.equal(await engine.find(offsets.at(-1) ?? 0), undefined)
    t.equal(await engine.purge(BOB), 0)
    await sayAll(engine, BOB, ['new'])
    t.same(await readAll(engine, [ALL, BOB]), { texts: ['all', 'new'], hasGap: false })
    const [, purged] = await Promise.all([engine.append(say('before', { address: BOB })), engine.purge(BOB), engine.append(say('after', { address: BOB }))])
    t.equal(purged, 2, 'what was said before it, also a moment before')
    t.same((await readAll(engine, [BOB])).texts, ['after'])
  })
}
