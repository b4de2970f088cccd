import type { Message } from '../../services/model/message.ts'
import { ALL, BOB, LIMITS, NOBODY, numbers, readAll, say, type TestOne } from './kit.ts'

/** What idempotency keys are good for. */
export function keyPromises (test: TestOne): void {
  test('answers a key that it knows with the first offset, and forgets the key after the window', async (t, { engine, advance }) => {
    const first = await engine.append(say('once', { key: 'k' }))
    t.same(await engine.append(say('once', { key: 'k' })), { offset: first.offset, duplicate: true, stored: true })
    t.equal((await engine.append(say('once', { key: 'other' }))).duplicate, false)
    advance(LIMITS.idempotencyWindowMs - 1)
    t.ok((await engine.append(say('once', { key: 'k' }))).duplicate)
    advance(1)
    const again = await engine.append(say('again', { key: 'k' }))
    t.equal(again.duplicate, false)
    t.ok(again.offset > first.offset)
    t.same((await readAll(engine, [ALL])).texts, ['once', 'once', 'again'])
    t.ok((await engine.append(say('again', { key: 'k' }))).duplicate, 'known again')
  })

  test('refuses a key that was used for something else', async (t, { engine }) => {
    await engine.append(say('1', { key: 'k' }))
    await t.rejects(engine.append(say('2', { key: 'k' })), { code: 'HUB_KEY_REUSED', statusCode: 422 })
    await t.rejects(engine.append(say('1', { key: 'k', address: BOB })), { code: 'HUB_KEY_REUSED' })
    for (const options of [{ ttl: 1 }, { keep: false }, { except: ['c'] }, { conflate: 'c' }]) await t.rejects(engine.append(say('1', { key: 'k', ...options })), { code: 'HUB_KEY_REUSED' })
    await t.rejects(engine.append(say('', { key: 'k', payload: { kind: 'json', data: '1' } })), { code: 'HUB_KEY_REUSED' })
    const outcomes = await Promise.allSettled([say('1', { key: 'new' }), say('2', { key: 'new' }), say('1', { key: 'new' })].map((draft) => engine.append(draft)))
    t.same(outcomes.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
    t.same((await readAll(engine, [ALL, BOB])).texts, ['1', '1'])
  })

  test('hands concurrent appends with one key out once', async (t, { engine }) => {
    const heard: Message[] = []
    engine.listen((message) => heard.push(message), NOBODY)
    engine.follow(ALL)
    const appended = await Promise.all(numbers(10).map(() => engine.append(say('once', { key: 'k' }))))
    t.equal(heard.length, 1)
    t.equal(appended.filter(({ duplicate }) => !duplicate).length, 1)
    t.equal(new Set(appended.map(({ offset }) => offset)).size, 1)
    t.ok(appended.every(({ stored }) => stored))
  })
}
