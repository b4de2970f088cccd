import t from 'tap'
import { openEvents } from '../../support/event-client.ts'
import { api, connect, listen, token, until } from '../../support/helper.ts'

t.test('events carry the published messages, with the offset as their id', async (t) => {
  const { app, origin } = await listen(t)
  const bob = await openEvents(t, origin)
  t.match(bob.response.headers, { 'content-type': /^text\/event-stream/, 'cache-control': 'no-store, no-transform', vary: 'origin' })
  const { offset, written } = await app.hub.broadcast('line 1\nline 2')
  t.equal(written, 1)
  await app.hub.send({ user: 'bob' }, { a: [1] })
  await app.hub.send({ user: 'alice' }, 'not for bob')
  await app.hub.broadcast(Uint8Array.from([1, 2]))
  await until(() => bob.events.length === 3)
  t.match(bob.events, [{ event: 'message', id: `${offset}`, data: 'line 1\nline 2' }, { data: '{"a":[1]}' }, { event: 'binary', data: 'AQI=' }])
  const { body } = await api(origin, 'GET', '/clients')
  t.match(body, { total: 1, clients: [{ user: 'bob', protocol: 'sse' }] })
})

t.test('a client that comes back goes on after the last event it had, and acknowledges its inbox by that', async (t) => {
  const { app, origin } = await listen(t)
  const bob = await openEvents(t, origin)
  await app.hub.send({ user: 'bob' }, '1')
  await until(() => bob.events.length === 1)
  bob.request.destroy()
  await until(() => app.hub.size === 0)
  for (const n of ['2', '3']) await app.hub.broadcast(n)
  await app.hub.send({ user: 'bob' }, '4')
  t.match(await app.hub.inbox('bob'), { count: 2 })

  const again = await openEvents(t, origin, { after: bob.lastId })
  await until(() => again.events.length === 3)
  t.same(again.data, ['2', '3', '4'])
  await until(async () => (await app.hub.inbox('bob')).count === 1, 'the acknowledgement')
  again.request.destroy()

  const fresh = await openEvents(t, origin)
  await until(() => fresh.events.length === 1)
  t.same(fresh.data, ['4'], 'without a position: the inbox, and what comes')
})

t.test('a client that is lost before the first message has a position to resume from', async (t) => {
  const { app, origin } = await listen(t)
  await app.hub.broadcast('before')
  const bob = await openEvents(t, origin)
  await until(() => bob.lastId !== '', 'a place')
  t.same(bob.events, [])
  bob.request.destroy()
  await until(() => app.hub.size === 0)
  await app.hub.broadcast('meanwhile')
  const again = await openEvents(t, origin, { after: bob.lastId })
  await until(() => again.events.length === 1)
  t.same(again.data, ['meanwhile'])
})

t.test('a slow reader catches up from the log, and nothing of it waits in memory', async (t) => {
  const { app, origin, url } = await listen(t, { websocket: { maxQueueSize: 65_536, maxMessageSize: 65_535 } })
  const bob = await openEvents(t, origin)
  const fast = await connect(t, url, { user: 'alice' })
  bob.response.pause()
  const text = 'x'.repeat(30_000)
  for (let n = 0; n < 400; n++) {
    await app.hub.broadcast(`${n} ${text}`)
    await fast.next()
  }
  const [client] = (await app.hub.clients({ user: 'bob' })).clients
  t.match(client, { behind: true, dropped: 0 })
  bob.response.resume()
  await until(() => bob.events.length === 400, 'all events')
  t.same(bob.data.map((data) => Number(data.split(' ')[0])), Array.from({ length: 400 }, (_, n) => n))
  await until(async () => (await app.hub.clients({ user: 'bob' })).clients[0]?.behind === false, 'being live')
  t.match(await app.hub.broadcast('live again'), { written: 2, behind: 0 })
})

t.test('a client receives gaps, close notices and refusals', async (t) => {
  const { app, origin } = await listen(t)
  const late = await openEvents(t, origin, { after: '1000' })
  await until(() => late.events.length === 1)
  t.match(late.events, [{ event: 'gap', data: /^{"after":1000,"upTo":\d+}$/ }])
  const refused = await fetch(`${origin}/admin/events`)
  t.equal(refused.status, 401)
  t.equal((await fetch(`${origin}/admin/events?token=${token()}`, { headers: { origin: 'https://evil.example' } })).status, 403)
  const closing = app.close()
  await until(() => late.isEnded)
  t.match(late.events.at(-1), { event: 'goodbye', data: 'service restart' })
  await closing
})
