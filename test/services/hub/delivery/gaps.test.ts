// When something is gone from the log, whoever would have got it is told, once, and gets what is left.

import t from 'tap'
import { openEvents } from '../../../support/event-client.ts'
import { connect, listen, until } from '../../../support/helper.ts'
import { dial, welcome } from '../../../support/json-client.ts'

const LETTER = 'x'.repeat(4000)
/** More than the log may hold: it is delivered, and cannot be stored. */
const HUGE = 'x'.repeat(62_000)

/** A log in which something is missing between messages that are left, and clients that take a few of these at a time. */
const CONFIG = {
  engine: { kind: 'memory', maxSize: 61_440 },
  websocket: { maxMessageSize: 65_535, maxQueueSize: 65_536, maxQueueWrites: 4 }
} as const

const LEFT = Array.from({ length: 12 }, (_, n) => `${n} ${LETTER}`)

t.test('a gap between messages of an inbox', async (t) => {
  const { app, origin, url } = await listen(t, CONFIG)
  const fill = async (user: string): Promise<void> => {
    await app.hub.purgeInbox('bob')
    for (const letter of LEFT.slice(0, 6)) t.match(await app.hub.send({ user }, letter), { stored: true })
    t.match(await app.hub.send({ user }, HUGE), { stored: false })
    for (const letter of LEFT.slice(6)) t.match(await app.hub.send({ user }, letter), { stored: true })
  }

  await t.test('a new connection gets what is left, whatever it speaks', async (t) => {
    await fill('bob')
    const reliable = await welcome(t, url)
    for (const letter of LEFT) t.match(await reliable.heard(), { data: letter })
    const raw = await connect(t, url, { user: 'bob' })
    for (const letter of LEFT) t.equal(await raw.next(), letter)
    t.match(await app.hub.send({ user: 'bob' }, 'live'), { written: 2 })
    t.match(await reliable.heard(), { data: 'live' })
    t.equal(await raw.next(), 'live')
  })

  await t.test('a client of Server-Sent Events is told once, before what is left', async (t) => {
    await fill('carl')
    const events = await openEvents(t, origin, { user: 'carl' })
    await until(() => events.data.length === LEFT.length, 'what is left')
    t.same(events.data, LEFT)
    const [gap] = events.events.filter(({ event }) => event === 'gap')
    t.equal(events.events.filter(({ event }) => event === 'gap').length, 1)
    t.equal(events.events[0], gap)
    const [, seventh] = [events.events[6], events.events[7]]
    const { upTo } = JSON.parse(gap?.data ?? '') as { upTo: number }
    t.ok(upTo > Number(events.events[6]?.id) && upTo < Number(seventh?.id), 'it says where')
    t.ok(Number(gap?.id) < Number(events.events[1]?.id), 'whoever is lost now gets all that is left')
  })
})

t.test('a reliable client that cannot be given everything has to start over, also when it has acknowledged nothing', async (t) => {
  const { app, url } = await listen(t, CONFIG)
  const bob = await welcome(t, url)
  await bob.lose(app)
  t.match(await app.hub.broadcast(HUGE), { stored: false })
  const resumed = dial(t, url, { query: bob.resumption })
  t.match(JSON.parse(String(await resumed.next())), { event: 'connected', connectionId: bob.id })
  t.match(JSON.parse(String(await resumed.next())), { event: 'disconnected' })
  t.match(await resumed.closed(), { code: 1008 })
  const fresh = await welcome(t, url)
  t.not(fresh.id, bob.id)
  await app.hub.broadcast('live')
  t.match(await fresh.heard(), { data: 'live' })
})
