import t, { type Test } from 'tap'
import { MAX_LISTED, type State, type StateKey } from '../../services/engine/state.ts'
import { until } from '../support/until.ts'
import { numbers } from './kit.ts'

const HOUR_MS = 3_600_000

/** A state under test. `advance` moves its clock. */
export interface StateFixture {
  readonly state: State
  readonly advance: (ms: number) => void
  /** Whether an update is visible before it resolves. Default true. */
  readonly isImmediate?: boolean
}

/** The promises of the port `State`. `create` makes an empty state for one test. */
export function stateSuite (name: string, create: (t: Test) => StateFixture | Promise<StateFixture>): void {
  const test = (title: string, body: (t: Test, fixture: StateFixture) => Promise<void>): void => {
    t.test(`state of ${name}: ${title}`, async (t) => body(t, await create(t)))
  }

  test('keeps, changes and removes values', async (t, { state }) => {
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

  test('takes the key of the longest ids, and refuses a longer one', async (t, { state }) => {
    const longest = ['inbox', '☃'.repeat(256), '/'.repeat(256), 'everything']
    await state.update(longest, () => 1, HOUR_MS)
    t.equal(await state.get(longest), 1)
    await t.rejects(state.update(['k'.repeat(4097)], () => 1, HOUR_MS), { code: 'HUB_REQUEST_INVALID' })
    await t.rejects(state.get(['k'.repeat(4097)]), { code: 'HUB_REQUEST_INVALID' })
  })

  test('returns copies: a caller that changes one does not change the stored value', async (t, { state }) => {
    const value = { list: [1] }
    await state.update(['k'], () => value, HOUR_MS)
    value.list.push(2)
    const given = await state.get(['k']) as typeof value
    given.list.push(3)
    t.same(await state.get(['k']), { list: [1] })
  })

  test('makes concurrent updates of a value one after another', async (t, { state }) => {
    const increment = (present: unknown): number => (present as number | undefined ?? 0) + 1
    const made = await Promise.all(numbers(100).map((n) => state.update([`k${Number(n) % 2}`], increment, HOUR_MS)))
    t.same(made, numbers(100).map((n) => Math.floor(Number(n) / 2) + 1))
    t.same([await state.get(['k0']), await state.get(['k1'])], [50, 50])
  })

  test('sees a value from the moment in which it is made', async (t, { state, isImmediate = true }) => {
    const updating = state.update(['k'], () => 1, HOUR_MS)
    if (!isImmediate) await updating
    t.equal(await state.get(['k']), 1)
    t.same(await state.list([], 10), [{ key: ['k'], value: 1 }])
    const removing = state.update(['k'], () => undefined, HOUR_MS)
    if (!isImmediate) await removing
    t.equal(await state.get(['k']), undefined)
    t.same(await state.list([], 10), [])
    await Promise.all([updating, removing])
    t.equal(await state.get(['k']), undefined)
  })

  test('evicts an expired value; an update moves the expiry', async (t, { state, advance }) => {
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
    const { state, advance, isImmediate = true } = fixture
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
    if (!isImmediate) await removing
    t.same(await keys(['b'], 3), ['b ', 'b 1 x', 'b 10'])
    await removing
    advance(1000)
    t.same(await keys(['b'], 3), ['b ', 'b 1 x', 'b 2'])
    t.same(await keys(['b'], 0), [])
  })

  test('tells keys apart whatever their parts hold', async (t, { state }) => {
    const keys = [['a/b'], ['a', 'b'], ['a%2Fb'], ['a%252Fb'], ['a', ''], ['a'], ['', 'a'], ['..', '\0'], ['%'], ['日本', '/']]
    for (const [n, key] of keys.entries()) await state.update(key, () => n, HOUR_MS)
    for (const [n, key] of keys.entries()) t.equal(await state.get(key), n)
    const listed = await state.list([], 100)
    t.same(new Set(listed.map(({ key, value }) => JSON.stringify([key, value]))), new Set(keys.map((key, n) => JSON.stringify([key, n]))))
  })

  test('lists no more than 1000 values', async (t, { state }) => {
    await Promise.all(numbers(MAX_LISTED + 5).map((n) => state.update(['many', n], () => n, HOUR_MS)))
    t.equal((await state.list(['many'], Infinity)).length, MAX_LISTED)
  })

  test('hands a watch the present values, then every change in order', async (t, { state }) => {
    await state.update(['w', 'a'], () => 1, HOUR_MS)
    await state.update(['w', 'b'], () => 1, HOUR_MS)
    await state.update(['x', 'a'], () => 1, HOUR_MS)
    const seen: unknown[] = []
    const end = await state.watch(['w'], (key, value) => seen.push([key.join(' '), value ?? 'gone']))
    t.same(seen.splice(0), [['w a', 1], ['w b', 1]], 'complete when it has resolved')
    await state.update(['w', 'a'], () => 2, HOUR_MS)
    await state.update(['w', 'c', 'deep'], () => ({ n: 3 }), HOUR_MS)
    await state.update(['x', 'a'], () => 2, HOUR_MS)
    await state.update(['w'], () => 2, HOUR_MS)
    await state.update(['w', 'a'], () => undefined, HOUR_MS)
    t.same(seen.splice(0), [['w a', 2], ['w c deep', { n: 3 }], ['w a', 'gone']])
    end()
    await state.update(['w', 'a'], () => 4, HOUR_MS)
    t.same(seen, [])
  })

  test('hands a watch the expiry of a value', async (t, { state, advance }) => {
    const present = new Map<string, unknown>()
    const note = (key: StateKey, value: unknown): void => {
      if (value === undefined) present.delete(key.join(' '))
      else present.set(key.join(' '), value)
    }
    await state.update(['w', 'before'], () => 1, 1000)
    const end = await state.watch(['w'], note)
    await state.update(['w', 'after'], () => 1, 1000)
    await state.update(['w', 'moved'], () => 1, 1000)
    await state.update(['w', 'moved'], () => 2, 5000)
    t.equal(present.size, 3)
    advance(1000)
    await until(() => present.size === 1)
    t.same([...present], [['w moved', 2]])
    end()
  })

  test('hands a watch that begins beside updates a complete view', async (t, { state }) => {
    const updates = numbers(40).map((n) => state.update(['w', String(Number(n) % 7)], () => n, HOUR_MS))
    const view = new Map<string, unknown>()
    await state.watch(['w'], (key, value) => view.set(key.at(-1) ?? '', value))
    await Promise.all(updates)
    const listed = await state.list(['w'], 100)
    t.same([...view].sort(), listed.map(({ key, value }) => [key.at(-1), value]).sort())
  })
}
