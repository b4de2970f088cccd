import { ALL, BOB, NEWS, PLENTY, readAll, draft, type TestOne } from './kit.ts'

const HOUR_MS = 3_600_000

/** `problem` and `close`. */
export function lifecyclePromises (test: TestOne): void {
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
