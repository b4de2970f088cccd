import t, { type Test } from 'tap'
import type { LogRecord } from '../../services/engine/record.ts'
import type { Applied, Store } from '../../services/engine/store.ts'
import { digestOf } from '../../services/engine/digest.ts'
import type { Draft, Offset } from '../../services/model/message.ts'
import { ALL, BOB, LIMITS, NEWS, PLENTY, draft, numbers, texts } from './kit.ts'

/** A store under test, with LIMITS. */
export interface StoreFixture {
  readonly store: Store
  /** Sets the clock of this node, in ms since the epoch, which reads use. */
  readonly setClock: (now: number) => void
}

const NOW = Date.UTC(2026, 0, 1)

/** The promises of the port `Store`. `create` makes an empty store, with the clock at NOW. */
export function storeSuite (name: string, create: (t: Test, now: number) => StoreFixture | Promise<StoreFixture>): void {
  const test = (title: string, body: (t: Test, fixture: StoreFixture) => Promise<void>): void => {
    t.test(`store of ${name}: ${title}`, async (t) => {
      const fixture = await create(t, NOW)
      t.teardown(() => fixture.store.close())
      await body(t, fixture)
    })
  }

  test('applies records at any rising offsets, and its head follows', async (t, { store }) => {
    let offset = store.head
    for (const step of [1, 1000, 3, 1_000_000]) {
      offset += step
      const applied = store.apply(message('x', { at: NOW }), offset)
      t.match(applied, { kind: 'appended', message: { offset, at: NOW } })
      t.equal(store.head, offset)
    }
    t.equal((await store.read([{ address: ALL, after: 0 }], PLENTY)).messages.length, 4)
    t.equal(store.apply({ kind: 'purge', address: ALL, at: NOW }, offset + 1).kind, 'purged')
    t.equal(store.head, offset + 1)
  })

  test('reads a record in the turn in which it is applied', async (t, { store }) => {
    const offset = store.head + 1
    store.apply(message('now', { at: NOW }), offset)
    const [page, found] = [store.read([{ address: ALL, after: 0 }], PLENTY), store.find(offset)]
    t.notOk(page instanceof Promise, 'a page near the head comes at once')
    t.same(texts((await page).messages), ['now'])
    t.equal((await found)?.offset, offset)
  })

  test('decides about an idempotency key when the record is applied, by the time of the record', async (t, { store }) => {
    let offset = store.head
    const append = (data: string, at: number): Applied => store.apply(message(data, { at, key: 'k' }), ++offset)
    t.equal(append('1', NOW).kind, 'appended')
    t.match(append('1', NOW + LIMITS.idempotencyWindowMs - 1), { kind: 'duplicate', offset: offset - 1 })
    t.equal(append('2', NOW + LIMITS.idempotencyWindowMs - 1).kind, 'keyReused')
    t.equal(append('2', NOW + LIMITS.idempotencyWindowMs).kind, 'appended')
    t.equal((await store.read([{ address: ALL, after: 0 }], PLENTY)).messages.length, 2)
  })

  test('reports a hole as a gap for every address, once the reader is behind it', async (t, { store }) => {
    const before = store.head + 10
    store.apply(message('known', { at: NOW, address: BOB }), before)
    const upTo = before + 50
    store.noteHole(upTo)
    t.equal(store.head, upTo)
    const gap = async (after: Offset, address = BOB): Promise<Offset> => (await store.read([{ address, after }], PLENTY)).gapUpTo
    t.same([await gap(before), await gap(before, NEWS), await gap(before, { user: 'unknown' })], [upTo, upTo, upTo])
    t.same([await gap(upTo), await gap(upTo, NEWS)], [0, 0])
    const page = await store.read([{ address: BOB, after: 0 }], PLENTY)
    t.same([texts(page.messages), page.upTo], [['known'], upTo])
    t.equal(store.summary({ address: NEWS, after: 0 }).evicted.upTo, upTo)
    store.apply(message('next', { at: NOW, address: BOB }), upTo + 1)
    t.equal(await gap(upTo), 0, 'and the log goes on')
  })

  test('hides messages over age and expired ones by the clock of the node; both come back with the clock', async (t, fixture) => {
    const { store, setClock } = fixture
    const offset = NOW * 1000 + 10
    store.apply(message('short', { at: NOW, ttl: 2 }), offset)
    const applied = store.apply(message('old', { at: NOW }), offset + 1)
    if (applied.kind === 'appended') await applied.stored
    const read = async (): Promise<unknown> => {
      const { messages, gapUpTo } = await store.read([{ address: ALL, after: offset - 1 }], PLENTY)
      return [texts(messages), gapUpTo === 0 ? 0 : gapUpTo - offset, store.summary({ address: ALL, after: 0 }).count]
    }
    t.same(await read(), [['short', 'old'], 0, 2])
    setClock(NOW + 2000)
    t.same(await read(), [['old'], 0, 1], 'an expired message is not missed')
    setClock(NOW + LIMITS.log.maxAgeMs + 1)
    t.same(await read(), [[], 1, 0], 'a message over age is')
    setClock(NOW)
    t.same(await read(), [['short', 'old'], 0, 2])
  })

  test('evicts by the times of the records, and the same on every node', async (t, fixture) => {
    const other = await create(t, NOW + 777)
    t.teardown(() => other.store.close())
    const stores = [fixture.store, other.store]
    let offset = Math.max(...stores.map(({ head }) => head))
    const apply = (record: LogRecord): void => {
      offset += 3
      for (const store of stores) store.apply(record, offset)
    }
    for (const n of numbers(LIMITS.inbox.maxCount + 3)) apply(message(n, { at: NOW + Number(n), address: BOB }))
    for (const n of numbers(8)) apply(message(n, { at: NOW, ttl: 1 + Number(n), key: n }))
    apply(message('late', { at: NOW + LIMITS.log.maxAgeMs + 1 }))
    apply({ kind: 'purge', address: BOB, at: NOW + LIMITS.log.maxAgeMs + 2 })
    apply(message('after', { at: NOW + LIMITS.log.maxAgeMs + 3, address: BOB }))
    fixture.setClock(NOW + LIMITS.log.maxAgeMs + 3)
    other.setClock(NOW + LIMITS.log.maxAgeMs + 3)
    const contents = await Promise.all(stores.map(async (store) => [
      await store.read([{ address: ALL, after: 0 }, { address: BOB, after: 0 }], PLENTY),
      store.summary({ address: ALL, after: 0 }),
      store.summary({ address: BOB, after: 0 })
    ]))
    t.same(contents[0], contents[1])
    t.match(contents[0]?.[1], { count: 1, evicted: { count: 8, upTo: 0 } })
    t.match(contents[0]?.[2], { count: 1, evicted: { count: 0, upTo: 0 } })
  })
}

/** A record of a message to everyone, unless `more` has another address. */
function message (data: string, { at, ...more }: Partial<Draft> & { readonly at: number }): LogRecord {
  const one = draft(data, more)
  return more.key === undefined ? { kind: 'message', draft: one, at } : { kind: 'message', draft: one, at, digest: digestOf(one) }
}
