// A client is notified once when messages are gone from the log, and receives the messages that are left.

import t from 'tap'
import { openEvents } from '../../../support/event-client.ts'
import { connect, listen, until } from '../../../support/helper.ts'
import { dial, connectJson } from '../../../support/json-client.ts'

const TEXT = 'x'.repeat(4000)
/** More bytes than the log may hold: the message is delivered, and cannot be stored. */
const HUGE = 'x'.repeat(62_000)

/** A small log, for a gap between two messages, and clients with small pages. */
const CONFIG = {
  engine: { kind: 'memory', maxSize: 61_440 },
  websocket: { maxMessageSize: 65_535, maxQueueSize: 65_536, maxQueueWrites: 4 }
} as const

const LEFT = Array.from({ length: 12 }, (_, n) => `${n} ${TEXT}`)

t.test('a gap between messages of an inbox', async (t) => {
  const { app, origin, url } = await listen(t, CONFIG)
  const fill = async (user: string): Promise<void> => {
    await app.hub.purgeInbox('bob')
    for (const text of LEFT.slice(0, 6)) t.match(await app.hub.send({ user }, text), { stored: true })
    t.match(await app.hub.send({ user }, HUGE), { stored: false })
    for (const text of LEFT.slice(6)) t.match(await app.hub.send({ user }, text), { stored: true })
  }

  await t.test('a new connection receives the messages that are left, with every protocol', async (t) => {
    await fill('bob')
    const reliable = await connectJson(t, url)
    for (const text of LEFT) t.match(await reliable.nextJson(), { data: text })
    const raw = await connect(t, url, { user: 'bob' })
    for (const text of LEFT) t.equal(await raw.next(), text)
    t.match(await app.hub.send({ user: 'bob' }, 'live'), { written: 2 })
    t.match(await reliable.nextJson(), { data: 'live' })
    t.equal(await raw.next(), 'live')
  })

  await t.test('a client of Server-Sent Events is notified once, before the messages that are left', async (t) => {
    await fill('carl')
    const events = await openEvents(t, origin, { user: 'carl' })
    await until(() => events.data.length === LEFT.length, 'the messages that are left')
    t.same(events.data, LEFT)
    const [gap] = events.events.filter(({ event }) => event === 'gap')
    t.equal(events.events.filter(({ event }) => event === 'gap').length, 1)
    t.equal(events.events[0], gap)
    const [, seventh] = [events.events[6], events.events[7]]
    const { upTo } = JSON.parse(gap?.data ?? '') as { upTo: number }
    t.ok(upTo > Number(events.events[6]?.id) && upTo < Number(seventh?.id), 'the gap ends between these messages')
    t.ok(Number(gap?.id) < Number(events.events[1]?.id), 'resuming from the gap loses no message that is left')
  })
})

t.test('a reliable client with a gap has to start over, also without an acknowledgement', async (t) => {
  const { app, url } = await listen(t, CONFIG)
  const bob = await connectJson(t, url)
  await bob.dropConnection(app)
  t.match(await app.hub.broadcast(HUGE), { stored: false })
  const resumed = dial(t, url, { query: bob.resumeQuery })
  t.match(JSON.parse(String(await resumed.next())), { event: 'connected', connectionId: bob.id })
  t.match(JSON.parse(String(await resumed.next())), { event: 'disconnected' })
  t.match(await resumed.closed(), { code: 1008 })
  const fresh = await connectJson(t, url)
  t.not(fresh.id, bob.id)
  await app.hub.broadcast('live')
  t.match(await fresh.nextJson(), { data: 'live' })
})
