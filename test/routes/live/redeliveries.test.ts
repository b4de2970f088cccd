// A message above a client's own read limit ends every connection of the client. It must not block the inbox for ever,
// and a lost connection must not skip a message. Takes over 10 s: an event stream gets a suspect message alone, for 1 s.
import { request } from 'node:http'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import type { ConfigInput } from '../../../services/config/input.ts'
import { openEvents, type EventClient } from '../../support/event-client.ts'
import { GREETING, listen, TestClient, token, until } from '../../support/helper.ts'
import { PLAIN, RELIABLE } from '../../support/json-client.ts'
import { Random } from '../../support/random.ts'

const TOO_BIG = 'x'.repeat(2000)
const SKIPPED = 'a message is skipped for a client, because it has ended every connection'

async function serve (t: Test, input: ConfigInput = {}) {
  const service = await listen(t, { inbox: { maxRedeliveries: 4 }, ...input, websocket: { upgradesPerSecond: 0, ...input.websocket } })
  /** The lines of skipped messages. */
  const skips = () => service.log.lines.filter(({ msg }) => msg === SKIPPED)
  return { ...service, skips }
}

/** A client whose library reads at most 1000 bytes a message, and closes with 1009 at more. */
function limited (t: Test, url: string, { query = '', protocols = [] as string[] } = {}): TestClient {
  const client = new TestClient(new WebSocket(`${url}?token=${token()}${query}`, protocols, { maxPayload: 1000 }))
  t.teardown(() => client.socket.terminate())
  return client
}

/** The texts that a client receives before it is closed, without its greeting. */
async function received (client: TestClient): Promise<{ code: number, texts: string[] }> {
  const texts: string[] = []
  client.socket.on('message', (data) => {
    const text = (data as Buffer).toString()
    if (text !== GREETING) texts.push(text)
  })
  return { code: await end(client), texts }
}

/** Resolves with the code at the end of a connection, also after an error. */
function end (client: TestClient): Promise<number> {
  return new Promise((resolve) => { client.socket.once('close', resolve) })
}

t.test('a message that the client answers with 1009 is skipped at the limit, for this device alone, and the others arrive', async (t) => {
  const { app, url, skips } = await serve(t)
  await app.hub.send({ user: 'alice' }, 'before')
  const { offset } = await app.hub.send({ user: 'alice' }, TOO_BIG)
  await app.hub.send({ user: 'alice' }, 'after')
  const texts: string[] = []
  let rounds = 0
  for (; skips().length === 0; rounds++) {
    if (rounds === 20) throw new Error('the message is never skipped')
    const connection = await received(limited(t, url, { query: '&device=phone' }))
    t.equal(connection.code, 1006, 'the library fails the connection')
    texts.push(...connection.texts)
    await until(() => app.hub.size === 0)
    await until(async () => skips().length > 0 || (await app.hub.messageStatus(offset)).users.every(({ status }) => status === 'stored'))
  }
  t.ok(texts.every((text) => text === 'before'))
  t.match(skips(), [{ level: 40, user: 'alice', device: 'phone', offset }])
  await until(async () => (await app.hub.messageStatus(offset)).users[0]?.status === 'skipped', 'the status')
  const phone = limited(t, url, { query: '&device=phone' })
  t.equal(await phone.next(), GREETING)
  t.equal(await phone.next(), 'after', 'the next message')
  const desk = new TestClient(new WebSocket(`${url}?token=${token()}&device=desk`))
  t.teardown(() => desk.socket.terminate())
  t.same([await desk.next(), await desk.next(), await desk.next(), await desk.next()], [GREETING, 'before', TOO_BIG, 'after'], 'another device receives it')
  await until(async () => (await app.hub.messageStatus(offset)).users[0]?.status === 'acknowledged', 'acknowledged by the other device')
})

t.test('a live message is redelivered and skipped as well, in the web-pubsub subprotocols', async (t) => {
  for (const subprotocol of [PLAIN, RELIABLE]) {
    const { app, url, skips } = await serve(t)
    const { offset } = await app.hub.send({ user: 'alice' }, TOO_BIG)
    await app.hub.send({ user: 'alice' }, 'after')
    while (skips().length === 0) {
      const client = limited(t, url, { protocols: [subprotocol] })
      await end(client)
      await until(() => app.hub.size === 0)
    }
    t.match(skips(), [{ offset }], subprotocol)
    const client = limited(t, url, { protocols: [subprotocol] })
    await client.next()
    t.match(JSON.parse(String(await client.next())), { data: 'after' }, subprotocol)
  }
})

t.test('an acknowledgement sets the count to 0, and 0 as the limit skips nothing', async (t) => {
  const { app, url, skips } = await serve(t)
  for (let round = 0; round < 4; round++) {
    const { offset } = await app.hub.send({ user: 'alice' }, TOO_BIG)
    for (let n = 0; n < 3; n++) {
      await end(limited(t, url))
      await until(() => app.hub.size === 0)
    }
    const other = new TestClient(new WebSocket(`${url}?token=${token()}`))
    t.equal((await other.next(), await other.next()), TOO_BIG)
    await until(async () => (await app.hub.messageStatus(offset)).users[0]?.status === 'acknowledged')
    other.socket.terminate()
    await until(() => app.hub.size === 0)
  }
  t.same(skips(), [])
  const never = await serve(t, { inbox: { maxRedeliveries: 0 } })
  await never.app.hub.send({ user: 'alice' }, TOO_BIG)
  for (let n = 0; n < 12; n++) {
    await end(limited(t, never.url))
    await until(() => never.app.hub.size === 0)
  }
  t.same(never.skips(), [])
  t.match(await never.app.hub.inbox('alice'), { count: 1 })
})

/** An event stream whose parser fails at a line of more than 1000 characters. */
async function readStream (origin: string, after: string): Promise<{ lastId: string, data: string[], gaps: string[] }> {
  const sent = request(`${origin}/admin/events?token=${token()}`, { agent: false, headers: after === '' ? {} : { 'last-event-id': after } })
  sent.on('error', () => {})
  sent.end()
  const [response] = await once(sent, 'response') as [NodeJS.ReadableStream & { setEncoding (encoding: string): void }]
  response.setEncoding('utf8')
  const events = { lastId: after, data: [] as string[], gaps: [] as string[] }
  let [rest, id, event] = ['', after, '']
  return new Promise((resolve) => {
    response.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.length > 1000) {
          sent.destroy()
          return resolve(events)
        }
        if (line.startsWith('id: ')) id = line.slice(4)
        if (line.startsWith('event: ')) event = line.slice(7)
        if (line.startsWith('data: ')) (event === 'gap' ? events.gaps : events.data).push(line.slice(6))
        if (line === '') [events.lastId, event] = [id, '']
      }
      if (events.data.includes('last')) {
        sent.destroy()
        resolve(events)
      }
    })
  })
}

t.test('an event stream that fails at a broadcast gets a gap in its place', async (t) => {
  const { app, origin, skips } = await serve(t)
  const { offset: start } = await app.hub.broadcast('first')
  await app.hub.broadcast('second')
  const { offset } = await app.hub.broadcast(TOO_BIG)
  await app.hub.broadcast('third')
  await app.hub.broadcast('last')
  const data: string[] = []
  const gaps: string[] = []
  let after = String(start)
  for (let round = 0; !data.includes('last'); round++) {
    if (round === 20) throw new Error('the stream is blocked')
    const events = await readStream(origin, after)
    data.push(...events.data)
    gaps.push(...events.gaps)
    after = events.lastId
    await until(() => app.hub.size === 0)
  }
  t.same(data, ['second', 'third', 'last'])
  t.match(skips(), [{ offset, user: 'alice' }])
  t.match(gaps.map((gap) => JSON.parse(gap) as { upTo: number }), [{ upTo: offset }])
})

t.test('the message that ends the stream is found behind others, also for a client that names no position', async (t) => {
  const { app, origin, skips } = await serve(t)
  await app.hub.send({ user: 'alice' }, 'good')
  const { offset } = await app.hub.send({ user: 'alice' }, TOO_BIG)
  await app.hub.send({ user: 'alice' }, 'last')
  for (let round = 0; skips().length === 0; round++) {
    if (round === 20) throw new Error('the inbox is blocked')
    t.same((await readStream(origin, '')).data, ['good'])
    await until(() => app.hub.size === 0)
  }
  t.match(skips(), [{ offset }])
  const { data } = await readStream(origin, '')
  t.equal(data.at(-1), 'last')
})

t.test('a new device does not count as one that has acknowledged a skipped message', async (t) => {
  const { app, url, skips } = await serve(t)
  const { offset } = await app.hub.send({ user: 'alice' }, TOO_BIG)
  while (skips().length === 0) {
    await end(limited(t, url))
    await until(() => app.hub.size === 0)
  }
  const status = async () => (await app.hub.messageStatus(offset)).users[0]?.status
  await until(async () => await status() === 'skipped')
  const tablet = new TestClient(new WebSocket(`${url}?token=${token()}&device=tablet`))
  t.teardown(() => tablet.socket.terminate())
  t.equal(await tablet.next(), GREETING)
  await until(async () => (await app.hub.inbox('alice')).cursors.some(({ device }) => device === 'tablet'), 'its durable cursor')
  t.equal(await status(), 'skipped')
})

t.test('50 cuts at random moments skip nothing', async (t) => {
  const { app, origin, url, cut, skips } = await serve(t, { inbox: { maxRedeliveries: 10 } })
  const random = new Random(Date.now() % 1_000_000)
  const expected: string[] = []
  const publish = async () => {
    for (let n = random.below(4); n >= 0; n--) {
      expected.push(`message ${expected.length}`)
      await app.hub.send({ user: 'alice' }, expected.at(-1))
    }
  }
  const got = { raw: new Set<string>(), events: new Set<string>() }
  let after: string | undefined
  for (let n = 0; n < 50; n++) {
    await publish()
    const raw = new TestClient(new WebSocket(`${url}?token=${token()}&device=raw`))
    raw.socket.on('message', (data) => got.raw.add((data as Buffer).toString()))
    let events: EventClient | undefined
    const opened = openEvents(t, origin, { user: 'alice', query: '&device=events', ...(after === undefined ? {} : { after }) }).then((client) => { events = client }, () => {})
    // A random number of turns of the event loop, in which the server and the clients make progress.
    for (let turns = random.below(120); turns > 0; turns--) await new Promise((resolve) => { setImmediate(resolve) })
    if (random.below(2) === 0) await publish()
    await until(() => {
      cut()
      return app.hub.size === 0 && raw.socket.readyState === WebSocket.CLOSED
    })
    void opened
    for (const text of events?.data ?? []) got.events.add(text)
    if (events !== undefined && events.lastId !== '') after = events.lastId
  }
  t.same(skips(), [])
  const raw = new TestClient(new WebSocket(`${url}?token=${token()}&device=raw`))
  t.teardown(() => raw.socket.terminate())
  raw.socket.on('message', (data) => got.raw.add((data as Buffer).toString()))
  const events = await openEvents(t, origin, { user: 'alice', query: '&device=events', ...(after === undefined ? {} : { after }) })
  await app.hub.send({ user: 'alice' }, 'last')
  await until(() => got.raw.has('last') && events.data.includes('last'))
  for (const text of events.data) got.events.add(text)
  t.same(expected.filter((text) => !got.raw.has(text) || !got.events.has(text)), [], 'every message arrived')
})
