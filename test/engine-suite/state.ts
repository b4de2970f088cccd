import { ALL, BOB, NEWS, numbers, PLENTY, readAll, draft, type TestOne } from './kit.ts'

const HOUR_MS = 3_600_000

/** The state beside the log, queries, and `close`. */
export function statePromises (test: TestOne): void {
  test('keeps, changes and removes values', async (t, { engine: { state } }) => {
    t.equal(await state.get(['k']), undefined)
    t.same(await state.update(['k'], (present) => [present ?? null, 1], HOUR_MS), [null, 1])
    t.same(await state.get(['k']), [null, 1])
    t.same(await state.update(['k'], (present) => ({ present }), HOUR_MS), { present: [null, 1] })
    t.same(await state.get(['k']), { present: [null, 1] })
    t.equal(await state.update(['k'], () => undefined, HOUR_MS), undefined)
    t.equal(await state.get(['k']), undefined)
    t.equal(await state.update(['k'], () => undefined, HOUR_MS), undefined)
    for (const value of [null, false, 0, '', 'text ☃', { a: [{}] }]) {
      await state.update(['k'], () => value, HOUR_MS)
      t.same(await state.get(['k']), value)
    }
  })

  test('returns copies: a caller that changes one does not change the stored value', async (t, { engine }) => {
    const { state } = engine
    const value = { list: [1] }
    const updating = state.update(['k'], () => value, HOUR_MS)
    value.list.push(2)
    await updating
    const given = await state.get(['k']) as typeof value
    given.list.push(3)
    t.same(await state.get(['k']), { list: [1] })
  })

  test('makes concurrent updates of a value one after another', async (t, { engine: { state } }) => {
    const increment = (present: unknown): number => (present as number | undefined ?? 0) + 1
    const made = await Promise.all(numbers(100).map((n) => state.update([`k${Number(n) % 2}`], increment, HOUR_MS)))
    t.same(made, numbers(100).map((n) => Math.floor(Number(n) / 2) + 1))
    t.same([await state.get(['k0']), await state.get(['k1'])], [50, 50])
  })

  test('sees a value from the moment in which it is made', async (t, { engine: { state } }) => {
    const updating = state.update(['k'], () => 1, HOUR_MS)
    t.equal(await state.get(['k']), 1)
    t.same(await state.list([], 10), [{ key: ['k'], value: 1 }])
    const removing = state.update(['k'], () => undefined, HOUR_MS)
    t.equal(await state.get(['k']), undefined)
    t.same(await state.list([], 10), [])
    await Promise.all([updating, removing])
    t.equal(await state.get(['k']), undefined)
  })

  test('evicts an expired value; an update moves the expiry', async (t, { engine: { state }, advance }) => {
    await state.update(['short'], () => 1, 1000)
    await state.update(['moved'], () => 1, 1000)
    advance(999)
    t.equal(await state.get(['short']), 1)
    await state.update(['moved'], () => 2, 1000)
    advance(1)
    t.equal(await state.get(['short']), undefined)
    t.same(await state.list([], 10), [{ key: ['moved'], value: 2 }])
    t.equal(await state.update(['short'], (present) => present ?? 'none', 5000), 'none')
    advance(1000)
    t.equal(await state.get(['moved']), undefined)
    t.equal(await state.get(['short']), 'none')
  })

  test('lists the values below a parent, in order, no more than asked for', async (t, fixture) => {
    const { engine: { state }, advance } = fixture
    const stored = [['b', '2'], ['a', '1'], ['b', '1'], ['b', '10'], ['b'], ['b', '1', 'x'], ['bb', '1'], ['b', ''], ['b', '☃']]
    for (const key of stored) await state.update(key, () => key, key[1] === '10' ? 1000 : HOUR_MS)
    const keys = async (parent: string[], limit = 100): Promise<string[]> => (await state.list(parent, limit)).map(({ key, value }) => {
      t.same(value, key)
      return key.join(' ')
    })
    t.same(await keys(['b']), ['b ', 'b 1', 'b 1 x', 'b 10', 'b 2', 'b ☃'])
    t.same(await keys(['b'], 2), ['b ', 'b 1'])
    t.same(await keys(['b', '1']), ['b 1 x'])
    t.same(await keys(['d']), [])
    t.equal((await keys([])).length, 9)
    const removing = state.update(['b', '1'], () => undefined, HOUR_MS)
    t.same(await keys(['b'], 3), ['b ', 'b 1 x', 'b 10'])
    await removing
    advance(1000)
    t.same(await keys(['b'], 3), ['b ', 'b 1 x', 'b 2'])
    t.same(await keys(['b'], 0), [])
  })

  test('tells keys apart whatever their parts hold', async (t, { engine: { state } }) => {
    const keys = [['a/b'], ['a', 'b'], ['a%2Fb'], ['a%252Fb'], ['a', ''], ['a'], ['', 'a'], ['..', '\0'], ['%'], ['日本', '/']]
    for (const [n, key] of keys.entries()) await state.update(key, () => n, HOUR_MS)
    for (const [n, key] of keys.entries()) t.equal(await state.get(key), n)
    const listed = await state.list([], 100)
    t.same(new Set(listed.map(({ key, value }) => JSON.stringify([key, value]))), new Set(keys.map((key, n) => JSON.stringify([key, n]))))
  })

  test('passes a question to the hub and returns its answer', async (t, { engine }) => {
    const question = { a: [1] }
    t.same(await engine.bus.ask('any kind', question), { answers: [], asked: 0 })
    engine.bus.respond((kind, asked) => Promise.resolve([kind, asked]))
    t.same(await engine.bus.ask('any kind', question), { answers: [['any kind', question]], asked: 1 })
    engine.bus.respond(() => { throw new Error('no') })
    await t.rejects(engine.bus.ask('any kind', question), { message: 'no' })
  })

  test('has no problem, can be closed twice, and rejects every call afterwards', async (t, { engine }) => {
    t.equal(engine.problem, null)
    const appending = engine.append(draft('before'))
    const updating = engine.state.update(['k'], () => 1, HOUR_MS)
    await Promise.all([engine.close(), engine.close()])
    t.ok((await appending).stored, 'an accepted call is completed')
    t.equal(await updating, 1)
    await engine.close()
    const refused = { code: 'HUB_DRAINING', message: 'The hub is closed; it takes no more messages.' }
    for (const call of [
      () => engine.append(draft('after')),
      () => readAll(engine, [ALL]),
      () => engine.read([{ address: NEWS, after: 0 }], PLENTY),
      () => engine.find(1),
      () => engine.summary({ address: BOB, after: 0 }),
      () => engine.purge(BOB),
      () => engine.bus.ask('groups', { limit: 1 }),
      () => engine.state.get(['k']),
      () => engine.state.update(['k'], () => 1, HOUR_MS),
      () => engine.state.list([], 1)
    ]) await t.rejects(call(), refused)
  })
}
