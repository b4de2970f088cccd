// The clock of the machine is a day or a year ahead, and is right again after a restart.

import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { api, GREETING, listen, TestClient, token } from '../support/helper.ts'
import { testFolder } from '../support/test-folder.ts'

const DAY_MS = 86_400_000
const YEAR_SECONDS = 366 * 86_400

/** Shifts the clock of this process, until the end of the test. */
function clockOf (t: Test): { shift: (ms: number) => void } {
  const { now } = Date
  t.teardown(() => { Date.now = now })
  return { shift: (ms) => { Date.now = () => now() + ms } }
}

async function publish (origin: string, path: string, body: object) {
  const { body: receipt } = await api(origin, 'POST', path, body)
  return receipt as { offset: number, duplicate: boolean, stored: boolean }
}

/** The texts that a client of a user receives: first its unread inbox, then a message to everyone that ends the list. */
async function inboxOf (t: Test, { origin, url }: { origin: string, url: string }, user: string): Promise<unknown[]> {
  const client = new TestClient(new WebSocket(`${url}?token=${token({ user, ttlSeconds: 3 * YEAR_SECONDS })}`))
  t.teardown(() => client.socket.terminate())
  t.equal(await client.next(), GREETING)
  await publish(origin, '/broadcast', { message: 'end', keep: false })
  const texts = []
  for (let text = await client.next(); text !== 'end'; text = await client.next()) texts.push(text)
  return texts
}

for (const [title, aheadMs] of [['a day', DAY_MS], ['a year', 365 * DAY_MS]] as const) {
  t.test(`after a clock that was ${title} ahead, offsets rise, and new messages have and keep the right times`, async (t) => {
    const clock = clockOf(t)
    const engine = { kind: 'file', path: testFolder(t) } as const
    const input = { engine, idempotency: { window: '1m' }, inbox: { maxAge: '7d' } } as const
    const serve = async (shiftMs: number) => {
      clock.shift(shiftMs)
      return listen(t, input)
    }

    const ahead = await serve(aheadMs)
    const inTheFuture = await publish(ahead.origin, '/users/bob/messages', { message: 'from ahead', key: 'k' })
    await ahead.app.close()

    const right = await serve(0)
    const before = Date.now()
    const now = await publish(right.origin, '/users/bob/messages', { message: 'from now', key: 'k' })
    const short = await publish(right.origin, '/users/bob/messages', { message: 'short', ttl: 60 })
    t.same([now.duplicate, now.stored, now.offset > inTheFuture.offset], [false, true, true])
    const { body: { at } } = await api(right.origin, 'GET', `/messages/${now.offset}`)
    t.ok(Math.abs(Date.parse(String(at)) - before) < 60_000, 'the time of a message does not follow its offset')
    t.same(await inboxOf(t, right, 'bob'), ['from ahead', 'from now', 'short'])
    await right.app.close()

    const later = await serve(2 * 60_000)
    t.equal((await api(later.origin, 'GET', `/messages/${now.offset}`)).status, 200)
    t.match((await api(later.origin, 'GET', `/messages/${short.offset}`)).body, { users: [{ user: 'bob' }] })
    await later.app.close()

    const afterAge = await serve(7 * DAY_MS + 60_000)
    t.equal((await api(afterAge.origin, 'GET', `/messages/${now.offset}`)).status, 404, 'a new message leaves by its own age')
    t.equal((await api(afterAge.origin, 'GET', `/messages/${inTheFuture.offset}`)).status, 200, 'one from ahead keeps its time')
    await afterAge.app.close()
  })
}
