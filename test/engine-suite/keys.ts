import type { Message } from '../../services/model/message.ts'
import { ALL, BOB, LIMITS, numbers, readAll, draft, type TestOne } from './kit.ts'

/** Idempotency keys. */
export function keyPromises (test: TestOne): void {
  test('returns the first offset for a known key, and evicts the key after the window', async (t, fixture) => {
    const { engine, advance } = fixture
    const first = await engine.append(draft('once', { key: 'k' }))
    t.same(await engine.append(draft('once', { key: 'k' })), { offset: first.offset, duplicate: true, stored: true })
    t.equal((await engine.append(draft('once', { key: 'other' }))).duplicate, false)
    advance(LIMITS.idempotencyWindowMs - 1)
    t.ok((await engine.append(draft('once', { key: 'k' }))).duplicate)
    advance(1)
    const again = await engine.append(draft('again', { key: 'k' }))
    t.equal(again.duplicate, false)
    t.ok(again.offset > first.offset)
    t.same((await readAll(engine, [ALL])).texts, ['once', 'once', 'again'])
    t.ok((await engine.append(draft('again', { key: 'k' }))).duplicate, 'known again')
  })

  test('forgets a key whose time is far ahead, when the clock was wrong and is right again', async (t, { engine, advance }) => {
    advance(365 * 24 * 3_600_000)
    const ahead = await engine.append(draft('once', { key: 'k' }))
    advance(-LIMITS.idempotencyWindowMs / 2)
    t.ok((await engine.append(draft('once', { key: 'k' }))).duplicate, 'a small step back forgets nothing')
    advance(LIMITS.idempotencyWindowMs / 2 - 365 * 24 * 3_600_000)
    const right = await engine.append(draft('once', { key: 'k' }))
    t.equal(right.duplicate, false)
    t.ok(right.offset > ahead.offset, 'offsets rise')
    t.ok((await engine.append(draft('once', { key: 'k' }))).duplicate, 'known again')
  })

  test('refuses a key that was used for another draft', async (t, { engine }) => {
    await engine.append(draft('1', { key: 'k' }))
    await t.rejects(engine.append(draft('2', { key: 'k' })), { code: 'HUB_KEY_REUSED', statusCode: 422 })
    await t.rejects(engine.append(draft('1', { key: 'k', address: BOB })), { code: 'HUB_KEY_REUSED' })
    for (const options of [{ ttl: 1 }, { keep: false }, { except: ['c'] }, { conflate: 'c' }]) {
      await t.rejects(engine.append(draft('1', { key: 'k', ...options })), { code: 'HUB_KEY_REUSED' })
    }
    const json = draft('', { key: 'k', payload: { kind: 'json', data: '1' } })
    await t.rejects(engine.append(json), { code: 'HUB_KEY_REUSED' })
    const outcomes = await Promise.allSettled(['1', '2', '1'].map((data) => engine.append(draft(data, { key: 'new' }))))
    t.same(outcomes.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
    t.same((await readAll(engine, [ALL, BOB])).texts, ['1', '1'])
  })

  test('takes the longest address and key, and refuses longer ones', async (t, { engine }) => {
    const longest = { address: { user: '☃'.repeat(256) }, key: '\uFFFF'.repeat(4096) }
    t.ok((await engine.append(draft('longest', longest))).stored)
    t.ok((await engine.append(draft('longest', longest))).duplicate)
    t.same((await readAll(engine, [longest.address])).texts, ['longest'])
    await t.rejects(engine.append(draft('', { address: { user: 'x'.repeat(257) } })), { code: 'HUB_ADDRESS_INVALID' })
    await t.rejects(engine.append(draft('', { key: 'x'.repeat(4097) })), { code: 'HUB_REQUEST_INVALID' })
  })

  test('hands concurrent appends with one key out once', async (t, { engine }) => {
    const received: Message[] = []
    engine.follow((message) => received.push(message))
    const appended = await Promise.all(numbers(10).map(() => engine.append(draft('once', { key: 'k' }))))
    t.equal(received.length, 1)
    t.equal(appended.filter(({ duplicate }) => !duplicate).length, 1)
    t.equal(new Set(appended.map(({ offset }) => offset)).size, 1)
    t.ok(appended.every(({ stored }) => stored))
  })
}
