import type { Message } from '../../services/model/message.ts'
import { ALL, BOB, LIMITS, numbers, readAll, draft, appendAll, texts, type TestOne } from './kit.ts'

/** Retention: ages, counts, bytes, and the gaps that evictions leave. */
export function retentionPromises (test: TestOne): void {
  test('does not read expired messages, nor store messages with keep: false', async (t, { engine, advance }) => {
    const received: Message[] = []
    engine.follow((message) => received.push(message))
    const short = await engine.append(draft('short', { ttl: 1 }))
    const live = await engine.append(draft('live only', { keep: false, key: 'k' }))
    t.equal(live.stored, false)
    t.same(await engine.append(draft('live only', { keep: false, key: 'k' })), { ...live, duplicate: true })
    await engine.append(draft('long', { ttl: 30 }))
    t.same(texts(received), ['short', 'live only', 'long'], 'followers get all of them')
    t.same(await readAll(engine, [ALL]), { texts: ['short', 'long'], hasGap: false })
    advance(1000)
    t.same(await readAll(engine, [ALL]), { texts: ['long'], hasGap: false }, 'what has expired is not missed')
    t.equal(await engine.find(short.offset), undefined)
    t.equal(await engine.find(live.offset), undefined)
    t.match(await engine.summary({ address: ALL, after: 0 }), { count: 1, evicted: { count: 1, upTo: 0 } })
  })

  test('evicts expired messages before others', async (t, { engine, advance }) => {
    await appendAll(engine, BOB, ['old'])
    for (const n of numbers(LIMITS.inbox.maxCount - 1)) await engine.append(draft(n, { address: BOB, ttl: 1 }))
    advance(1000)
    await appendAll(engine, BOB, ['new'])
    t.same(await readAll(engine, [BOB]), { texts: ['old', 'new'], hasGap: false })
  })

  test('evicts messages over age, each retention class at its own age', async (t, { engine, advance }) => {
    const [old = 0] = await appendAll(engine, ALL, ['old'])
    await appendAll(engine, BOB, ['in the inbox'])
    advance(LIMITS.log.maxAgeMs)
    t.same(await readAll(engine, [ALL, BOB]), { texts: ['old', 'in the inbox'], hasGap: false })
    advance(1)
    t.same(await readAll(engine, [ALL]), { texts: [], hasGap: true })
    t.same(await readAll(engine, [ALL], old), { texts: [], hasGap: false })
    t.same(await readAll(engine, [BOB]), { texts: ['in the inbox'], hasGap: false })
    t.equal(await engine.find(old), undefined)
    t.same(await engine.summary({ address: ALL, after: 0 }), { count: 0, oldest: 0, evicted: { count: 1, upTo: old } })
    const [next = 0] = await appendAll(engine, ALL, ['new'])
    t.same(await readAll(engine, [ALL]), { texts: ['new'], hasGap: true })
    const summary = await engine.summary({ address: ALL, after: 0 })
    t.same(summary, { count: 1, oldest: next, evicted: { count: 1, upTo: old } })
    advance(LIMITS.inbox.maxAgeMs - LIMITS.log.maxAgeMs)
    t.same(await readAll(engine, [BOB]), { texts: [], hasGap: true })
  })

  test('evicts the oldest messages of an address over its count, and of no other address', async (t, { engine }) => {
    await appendAll(engine, { user: 'alice' }, ['for alice'])
    const offsets = await appendAll(engine, BOB, numbers(LIMITS.inbox.maxCount + 2))
    const [, evicted = 0, kept = 0] = offsets
    t.same(await readAll(engine, [BOB]), { texts: ['2', '3', '4', '5', '6'], hasGap: true })
    t.same(await readAll(engine, [BOB], evicted - 1), { texts: ['2', '3', '4', '5', '6'], hasGap: true })
    t.same(await readAll(engine, [BOB], evicted), { texts: ['2', '3', '4', '5', '6'], hasGap: false })
    t.same(await readAll(engine, [{ user: 'alice' }, ALL]), { texts: ['for alice'], hasGap: false })
    t.ok((await readAll(engine, [{ user: 'alice' }, BOB])).hasGap)
    const summary = await engine.summary({ address: BOB, after: kept })
    t.same(summary, { count: 4, oldest: offsets[3], evicted: { count: 2, upTo: evicted } })
    await Promise.all(numbers(LIMITS.log.maxCount + 5).map((n) => engine.append(draft(n))))
    const all = await engine.summary({ address: ALL, after: 0 })
    t.match(all, { count: LIMITS.log.maxCount, evicted: { count: 5 } }, 'appended all at once')
    t.same((await readAll(engine, [ALL])).texts[0], '5')
  })

  test('evicts the oldest messages of all addresses over the byte limit', async (t, { engine }) => {
    const addresses = ['a', 'b', 'c'].map((group) => ({ group }))
    for (const address of addresses) await appendAll(engine, address, numbers(10).map((n) => n.repeat(750)))
    const pages = await Promise.all(addresses.map((address) => readAll(engine, [address])))
    const kept = pages.map(({ texts }) => texts.length)
    t.ok((kept[0] ?? 0) < 10)
    t.equal(kept[2], 10, 'the newest stay')
    t.ok(750 * kept.reduce((sum, count) => sum + count) <= LIMITS.maxBytes)
    t.same(pages.map(({ hasGap }) => hasGap), kept.map((count) => count !== 10))
    t.same(pages[1]?.texts, numbers(10).slice(10 - (kept[1] ?? 0)).map((n) => n.repeat(750)), 'the newest are left')
  })

  test('delivers a message that is larger than the log, does not store it, and reports both', async (t, { engine }) => {
    const received: Message[] = []
    engine.follow((message) => received.push(message))
    const [before = 0] = await appendAll(engine, BOB, ['small'])
    const { offset, stored } = await engine.append(draft('x'.repeat(LIMITS.maxBytes), { address: BOB }))
    t.notOk(stored)
    t.equal(received.length, 2)
    t.same(await readAll(engine, [BOB], before), { texts: [], hasGap: true })
    t.same(await readAll(engine, [BOB], offset), { texts: [], hasGap: false })
    t.same(await readAll(engine, [BOB]), { texts: ['small'], hasGap: true })
  })

  test('counts the messages of an address', async (t, { engine }) => {
    const evicted = { count: 0, upTo: 0 }
    t.same(await engine.summary({ address: BOB, after: 0 }), { count: 0, oldest: 0, evicted })
    const [first, second = 0, third] = await appendAll(engine, BOB, ['1', '2', '3'])
    t.same(await engine.summary({ address: BOB, after: 0 }), { count: 3, oldest: first, evicted })
    t.same(await engine.summary({ address: BOB, after: second }), { count: 1, oldest: third, evicted })
    t.same(await engine.summary({ address: BOB, after: 0, upTo: second }), { count: 2, oldest: first, evicted })
    t.same(await engine.summary({ address: BOB, after: second, upTo: second }), { count: 0, oldest: 0, evicted })
    t.same(await engine.summary({ address: BOB, after: engine.head }), { count: 0, oldest: 0, evicted })
  })

  test('finds a message by its offset while the log holds it', async (t, { engine }) => {
    const [all = 0] = await appendAll(engine, ALL, ['all'])
    const [bob = 0] = await appendAll(engine, BOB, ['bob'])
    t.match(await engine.find(all), { offset: all, address: ALL, payload: { data: 'all' } })
    t.match(await engine.find(bob), { offset: bob, address: BOB, payload: { data: 'bob' } })
    t.equal(await engine.find(all + 0.5), undefined)
    t.equal(await engine.find(1), undefined)
    await appendAll(engine, BOB, numbers(LIMITS.inbox.maxCount))
    t.equal(await engine.find(bob), undefined)
  })

  test('purges an address as if no message had been published to it, and no other address', async (t, { engine }) => {
    await appendAll(engine, ALL, ['all'])
    const offsets = await appendAll(engine, BOB, numbers(LIMITS.inbox.maxCount + 2))
    t.equal(await engine.purge(BOB), LIMITS.inbox.maxCount)
    t.same(await readAll(engine, [BOB]), { texts: [], hasGap: false })
    t.same(await engine.summary({ address: BOB, after: 0 }), { count: 0, oldest: 0, evicted: { count: 0, upTo: 0 } })
    t.equal(await engine.find(offsets.at(-1) ?? 0), undefined)
    t.equal(await engine.purge(BOB), 0)
    await appendAll(engine, BOB, ['new'])
    t.same(await readAll(engine, [ALL, BOB]), { texts: ['all', 'new'], hasGap: false })
    const [, purged] = await Promise.all([
      engine.append(draft('before', { address: BOB })),
      engine.purge(BOB),
      engine.append(draft('after', { address: BOB }))
    ])
    t.equal(purged, 2, 'the messages appended before, also a moment before')
    t.same((await readAll(engine, [BOB])).texts, ['after'])
  })
}
