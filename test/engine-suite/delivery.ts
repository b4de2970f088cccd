import type { Engine } from '../../services/engine/engine.ts'
import type { PageLimit, Range } from '../../services/engine/store.ts'
import type { Address, Message } from '../../services/model/message.ts'
import { ALL, BOB, NEWS, numbers, PLENTY, readAll, draft, appendAll, texts, type TestOne } from './kit.ts'

/** Delivery to followers, and pages of the log. */
export function deliveryPromises (test: TestOne): void {
  test('gives rising offsets below 2^53, also to concurrent appends', async (t, { engine }) => {
    const { head } = engine
    const appended = await Promise.all(numbers(50).map((n) => engine.append(draft(n))))
    const offsets = appended.map(({ offset }) => offset)
    t.same(offsets, [...new Set(offsets)].sort((a, b) => a - b), 'in the order of the calls, none twice')
    t.ok(offsets.every((offset) => Number.isSafeInteger(offset) && offset > head), 'above where the log began')
    t.ok(appended.every(({ stored, duplicate }) => stored && !duplicate))
    t.equal(engine.head, offsets.at(-1))
  })

  test('hands its follower each message once, in order, before append resolves', async (t, { engine, isImmediate = true }) => {
    const received: Message[] = []
    engine.follow((message) => received.push(message))
    for (const data of ['1', '2', '3']) {
      const appending = engine.append(draft(data, { address: data === '2' ? BOB : ALL }))
      if (isImmediate) t.equal(received.at(-1)?.payload.data, data, 'at once')
      const { offset } = await appending
      t.equal(received.at(-1)?.offset, offset)
    }
    await Promise.all(['4', '5', '6'].map((data) => engine.append(draft(data, { address: BOB }))))
    t.same(texts(received), ['1', '2', '3', '4', '5', '6'])
  })

  test('reads a message that a follower was handed a moment ago', async (t, { engine }) => {
    const pages: Array<ReturnType<Engine['read']>> = []
    const finds: Array<ReturnType<Engine['find']>> = []
    engine.follow(({ address, offset }) => {
      pages.push(engine.read([{ address, after: 0 }], PLENTY))
      finds.push(engine.find(offset))
    })
    const appended = await Promise.all(['1', '2', '3'].map((data) => engine.append(draft(data))))
    t.same((await Promise.all(pages)).map(({ messages }) => texts(messages)), [['1'], ['1', '2'], ['1', '2', '3']])
    t.same((await Promise.all(pages)).map(({ upTo }) => upTo), appended.map(({ offset }) => offset))
    t.same((await Promise.all(finds)).map((message) => message?.offset), appended.map(({ offset }) => offset))
  })

  test('reads several addresses together, each from its own offset, oldest first', async (t, { engine }) => {
    await appendAll(engine, ALL, ['a1'])
    const [b1 = 0] = await appendAll(engine, BOB, ['b1'])
    const [a2 = 0] = await appendAll(engine, ALL, ['a2'])
    await appendAll(engine, { user: 'alice' }, ['x1'])
    await appendAll(engine, NEWS, ['n1'])
    await appendAll(engine, BOB, ['b2'])
    await engine.append(draft('live', { keep: false }))
    const { head } = engine
    const read = async (...ranges: Range[]) => {
      const { messages, upTo, gapUpTo } = await engine.read(ranges, PLENTY)
      t.equal(upTo, head)
      t.equal(gapUpTo, 0)
      return texts(messages)
    }
    t.same(await read({ address: ALL, after: 0 }, { address: BOB, after: 0 }), ['a1', 'b1', 'a2', 'b2'])
    const ranges = [{ address: ALL, after: a2 - 1 }, { address: BOB, after: b1 }, { address: NEWS, after: 0 }]
    t.same(await read(...ranges), ['a2', 'n1', 'b2'])
    t.same(await read({ address: ALL, after: a2 }, { address: { group: 'nobody' }, after: 0 }), [])
    t.same(await read({ address: BOB, after: b1 }, { address: BOB, after: 0 }), ['b1', 'b2'], 'none twice')
    t.same(await read(), [])
  })

  test('reports a gap to a reader with an offset from before the log began', async (t, { engine }) => {
    const { head: origin } = engine
    t.same(await readAll(engine, [ALL, BOB], origin - 1), { texts: [], hasGap: true })
    t.same(await readAll(engine, [ALL, BOB], 1), { texts: [], hasGap: true })
    t.same(await readAll(engine, [ALL, BOB], origin), { texts: [], hasGap: false })
    t.same(await readAll(engine, [ALL, BOB], 0), { texts: [], hasGap: false }, 'a first read')
  })

  test('keeps addresses apart that look alike', async (t, { engine }) => {
    const users = ['a', 'a\0', 'ab', '\uD800', '\uD801', '\uFFFD', '\uFFFF', '\uFFFFd800', '☃'].map((user) => ({ user }))
    const addresses: Address[] = [...users, { group: 'a' }, { client: 'a' }]
    for (const [n, address] of addresses.entries()) await engine.append(draft(`${n}`, { address }))
    for (const [n, address] of addresses.entries()) {
      t.same(await readAll(engine, [address]), { texts: [`${n}`], hasGap: false })
      const { messages: [message] } = await engine.read([{ address, after: 0 }], PLENTY)
      t.same(message?.address, address)
      t.same((await engine.find(message?.offset ?? 0))?.address, address)
    }
  })

  test('gives pages that are no larger than asked for, and together hold everything once', async (t, { engine }) => {
    const drafts = numbers(12).map((n) => draft(n.padStart(10, '.'), { address: Number(n) % 3 === 0 ? NEWS : ALL }))
    await Promise.all(drafts.map((one) => engine.append(one)))
    const walk = async (limit: PageLimit): Promise<{ sizes: number[], words: string[] }> => {
      const [sizes, words]: [number[], string[]] = [[], []]
      for (let after = 0; ;) {
        const sources = [ALL, NEWS].map((address) => ({ address, after }))
        const { messages, upTo, gapUpTo } = await engine.read(sources, limit)
        t.equal(gapUpTo, 0)
        if (messages.length > 0) sizes.push(messages.length)
        words.push(...texts(messages))
        if (upTo === engine.head) return { sizes, words }
        t.ok(upTo > after)
        after = upTo
      }
    }
    const words = numbers(12).map((n) => n.padStart(10, '.'))
    t.same(await walk({ messages: 5, bytes: 1000 }), { sizes: [5, 5, 2], words })
    t.same(await walk({ messages: 100, bytes: 49 }), { sizes: [4, 4, 4], words })
    t.same(await walk({ messages: 100, bytes: 1 }), { sizes: Array<number>(12).fill(1), words }, 'one at least')
    t.same(await walk({ messages: 12, bytes: 120 }), { sizes: [12], words })
  })

  test('reads and counts no message above the upper bound of a range', async (t, { engine }) => {
    const offsets = await appendAll(engine, ALL, ['a1', 'a2', 'a3'])
    const [b1 = 0] = await appendAll(engine, BOB, ['b1'])
    await appendAll(engine, BOB, ['b2'])
    const [, a2 = 0, a3 = 0] = offsets
    const read = async (upTo: number, after = 0): Promise<string[]> => {
      const { messages, gapUpTo, upTo: end } = await engine.read([{ address: ALL, after, upTo }, { address: BOB, after: 0, upTo: b1 }], PLENTY)
      t.same([gapUpTo, end], [0, engine.head])
      return texts(messages)
    }
    t.same(await read(a2), ['a1', 'a2', 'b1'])
    t.same(await read(a2, a2), ['b1'])
    t.same(await read(a3, a2), ['a3', 'b1'])
    t.same(await read(0), ['b1'])
    t.match(await engine.summary({ address: ALL, after: 0, upTo: a2 }), { count: 2, oldest: offsets[0] })
  })

  test('reports a gap at most up to the upper bound of the range', async (t, { engine }) => {
    const offsets = await appendAll(engine, BOB, numbers(10))
    const [first = 0, second = 0] = offsets
    const gap = async (upTo?: number): Promise<number> => {
      return (await engine.read([{ address: BOB, after: first - 1, ...(upTo === undefined ? {} : { upTo }) }], PLENTY)).gapUpTo
    }
    t.equal(await gap(), offsets[4], 'five messages are left')
    t.equal(await gap(second), second)
  })

  test('gives each message the time at which it was appended', async (t, { engine, advance }) => {
    await engine.append(draft('1'))
    advance(5000)
    await engine.append(draft('2'))
    const { messages: [one, two] } = await engine.read([{ address: ALL, after: 0 }], PLENTY)
    t.equal((two?.at ?? 0) - (one?.at ?? 0), 5000)
    t.equal((await engine.find(two?.offset ?? 0))?.at, two?.at)
  })

  test('stores payloads of every kind, and every option, unchanged', async (t, { engine }) => {
    const bytes = Uint8Array.from([0, 1, 254, 255])
    const more = { key: 'k', except: ['a', 'b'], ttl: 30, conflate: 'price', keep: true, from: 'alice' }
    await engine.append(draft('text ☃', more))
    await engine.append(draft('', { payload: { kind: 'json', data: '{"a":[1,null]}' } }))
    await engine.append(draft('', { payload: { kind: 'binary', data: bytes } }))
    await engine.append(draft(''))
    const { messages: [text, json, binary, empty] } = await engine.read([{ address: ALL, after: 0 }], PLENTY)
    t.match(text, { ...more, address: ALL, payload: { kind: 'text', data: 'text ☃' } })
    t.same(json?.payload, { kind: 'json', data: '{"a":[1,null]}' })
    t.equal(binary?.payload.kind, 'binary')
    t.same(Buffer.from(binary?.payload.data ?? ''), Buffer.from(bytes))
    t.same(empty?.payload, { kind: 'text', data: '' })
  })
}
