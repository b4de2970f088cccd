import t, { type Test } from 'tap'
import type { Answerer, Engine } from '../services/engine/engine.ts'
import type { Address, Draft, Message } from '../services/message.ts'

/** What an engine needs to run the suite. `advance` moves the engine's clock; limits are those of the suite. */
export interface EngineFixture {
  readonly engine: Engine
  readonly advance: (ms: number) => void
}

/** Limits that every engine under test is made with. */
export const LIMITS = { maxAgeMs: 60_000, maxCount: 100, maxBytes: 10_000, idempotencyWindowMs: 5000 }

const NOBODY: Answerer = {
  delivery: () => ({ matched: 0, written: 0, dropped: 0 }),
  clients: () => ({ total: 0, clients: [], dropped: 0 }),
  disconnect: () => ({ disconnected: 0 })
}

const ALL: Address = { all: true }
const BOB: Address = { user: 'bob' }

function say (data: string, more: Partial<Draft> = {}): Draft {
  return { address: ALL, payload: { kind: 'text', data }, ...more }
}

/** What an engine promises, whichever it is. */
export function engineSuite (name: string, create: () => EngineFixture | Promise<EngineFixture>): void {
  const test = (title: string, body: (t: Test, fixture: EngineFixture) => Promise<void>): void => {
    t.test(`${name}: ${title}`, async (t) => {
      const fixture = await create()
      t.teardown(() => fixture.engine.close())
      await body(t, fixture)
    })
  }

  test('gives rising offsets below 2^53, also to concurrent appends', async (t, { engine }) => {
    const appended = await Promise.all(Array.from({ length: 50 }, (_, n) => engine.append(say(`${n}`))))
    const offsets = appended.map(({ offset }) => offset)
    t.same(offsets, [...new Set(offsets)].sort((a, b) => a - b), 'in the order of the calls, none twice')
    t.ok(offsets.every((offset) => Number.isSafeInteger(offset) && offset > 0))
    t.equal(engine.range().head, offsets.at(-1))
  })

  test('hands followers each message once, in order, before append resolves', async (t, { engine }) => {
    const heard: Message[] = []
    engine.listen((message) => heard.push(message), NOBODY)
    engine.follow(ALL)
    engine.follow(BOB)
    for (const data of ['1', '2', '3']) {
      const { offset } = await engine.append(say(data, { address: data === '2' ? BOB : ALL }))
      t.equal(heard.at(-1)?.offset, offset)
    }
    t.same(heard.map(({ payload }) => payload.data), ['1', '2', '3'])
  })

  test('hands nobody what is said to addresses that nobody follows', async (t, { engine }) => {
    const heard: Message[] = []
    engine.listen((message) => heard.push(message), NOBODY)
    engine.follow(BOB)
    await engine.append(say('for alice', { address: { user: 'alice' } }))
    await engine.append(say('for bob', { address: BOB }))
    engine.unfollow(BOB)
    await engine.append(say('too late', { address: BOB }))
    t.same(heard.map(({ payload }) => payload.data), ['for bob'])
  })

  test('reads the messages of some addresses after an offset, oldest first, no more than asked for', async (t, { engine }) => {
    const { offset: first } = await engine.append(say('1'))
    await engine.append(say('2', { address: BOB }))
    await engine.append(say('3', { address: { user: 'alice' } }))
    await engine.append(say('4'))
    const read = async (addresses: Address[], after: number, limit: number) => (await engine.read(addresses, after, limit)).map(({ payload }) => payload.data)
    t.same(await read([ALL, BOB], 0, 10), ['1', '2', '4'])
    t.same(await read([ALL, BOB], first, 10), ['2', '4'])
    t.same(await read([ALL, BOB], 0, 2), ['1', '2'])
    t.same(await read([{ group: 'nobody' }], 0, 10), [])
    t.same(await read([ALL], engine.range().head, 10), [])
  })

  test('keeps payloads of every kind as they were', async (t, { engine }) => {
    const bytes = Uint8Array.from([0, 1, 254, 255])
    await engine.append(say('text ☃'))
    await engine.append(say('', { payload: { kind: 'json', data: '{"a":[1,null]}' } }))
    await engine.append(say('', { payload: { kind: 'binary', data: bytes } }))
    const [text, json, binary] = (await engine.read([ALL], 0, 10)).map(({ payload }) => payload)
    t.same(text, { kind: 'text', data: 'text ☃' })
    t.same(json, { kind: 'json', data: '{"a":[1,null]}' })
    t.equal(binary?.kind, 'binary')
    t.same(Buffer.from(binary?.data ?? ''), Buffer.from(bytes))
  })

  test('answers a key that it knows with the first offset, and forgets the key after the window', async (t, { engine, advance }) => {
    const first = await engine.append(say('once', { key: 'k' }))
    t.same(await engine.append(say('twice', { key: 'k' })), { offset: first.offset, duplicate: true })
    t.equal((await engine.append(say('other', { key: 'other' }))).duplicate, false)
    advance(LIMITS.idempotencyWindowMs + 1)
    const again = await engine.append(say('again', { key: 'k' }))
    t.equal(again.duplicate, false)
    t.ok(again.offset > first.offset)
    t.same((await engine.read([ALL], 0, 10)).map(({ payload }) => payload.data), ['once', 'other', 'again'])
  })

  test('hands concurrent appends with one key out once', async (t, { engine }) => {
    const heard: Message[] = []
    engine.listen((message) => heard.push(message), NOBODY)
    engine.follow(ALL)
    const appended = await Promise.all(Array.from({ length: 10 }, () => engine.append(say('once', { key: 'k' }))))
    t.equal(heard.length, 1)
    t.equal(appended.filter(({ duplicate }) => !duplicate).length, 1)
    t.equal(new Set(appended.map(({ offset }) => offset)).size, 1)
  })

  test('does not hand out what has expired, nor keep what is not to be kept', async (t, { engine, advance }) => {
    const heard: Message[] = []
    engine.listen((message) => heard.push(message), NOBODY)
    engine.follow(ALL)
    await engine.append(say('short', { ttl: 1 }))
    await engine.append(say('live only', { keep: false }))
    await engine.append(say('long', { ttl: 30 }))
    t.equal(heard.length, 3, 'followers get all of them')
    t.same((await engine.read([ALL], 0, 10)).map(({ payload }) => payload.data), ['short', 'long'])
    advance(1001)
    t.same((await engine.read([ALL], 0, 10)).map(({ payload }) => payload.data), ['long'])
  })

  for (const [limit, fill] of [
    ['count', async (engine: Engine) => { for (let n = 0; n < LIMITS.maxCount + 5; n++) await engine.append(say(`${n}`)) }],
    ['bytes', async (engine: Engine) => { for (let n = 0; n < 12; n++) await engine.append(say('x'.repeat(1000))) }]
  ] as const) {
    test(`says that messages are gone, instead of skipping them, when the log is over its ${limit}`, async (t, { engine }) => {
      await fill(engine)
      await t.rejects(engine.read([ALL], 0, 10), { code: 'HUB_LOG_TRUNCATED' })
      const { oldest } = engine.range()
      const kept = await engine.read([ALL], oldest - 1, 1000).catch(() => engine.read([ALL], oldest, 1000))
      t.ok(kept.length > 0, 'what is kept can be read')
    })
  }

  test('forgets messages that are too old, and says so', async (t, { engine, advance }) => {
    const { offset: old } = await engine.append(say('old'))
    advance(LIMITS.maxAgeMs + 1)
    await engine.append(say('new'))
    await t.rejects(engine.read([ALL], 0, 10), { code: 'HUB_LOG_TRUNCATED' })
    t.same((await engine.read([ALL], old, 10)).map(({ payload }) => payload.data), ['new'])
  })

  test('brings a question to the hub and the answer back', async (t, { engine }) => {
    engine.listen(() => {}, { ...NOBODY, disconnect: ({ code }) => ({ disconnected: code }) })
    t.same(await engine.ask('disconnect', { address: ALL, code: 7, reason: '' }), { answers: [{ disconnected: 7 }], asked: 1 })
  })

  test('can be closed twice, and takes nothing afterwards', async (t, { engine }) => {
    await engine.append(say('before'))
    await engine.close()
    await engine.close()
    await t.rejects(engine.append(say('after')), { code: 'HUB_DRAINING' })
    await t.rejects(engine.read([ALL], 0, 1), { code: 'HUB_DRAINING' })
  })
}
