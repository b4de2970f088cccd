// Takes over 10 s: a client is slow only after 4 MB fill the buffers of the kernel, and some tests wait for a deadline.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { ConfigInput } from '../../services/config/input.ts'
import { connect, listen, token, until } from '../support/helper.ts'
import { frame, OPCODE, rawConnect, type RawClient } from '../support/raw-client.ts'

// The kernel buffers about 4 MB for a loopback connection before frames are queued in the hub.
const CHUNK = 'x'.repeat(32 * 1024)
const KERNEL_CHUNKS = 300

/** Connects a client of a new user that stops reading after the greeting. */
async function freeze (t: Test, port: number, user: string): Promise<RawClient> {
  const client = await rawConnect({ port, token: token({ user }) })
  await client.next()
  client.pause()
  t.teardown(() => client.destroy())
  return client
}

/** Starts a service with frozen clients. `events` collects the errors and closes of all clients. */
async function listenWithFrozen (t: Test, websocket: ConfigInput['websocket'], frozen = 1) {
  const service = await listen(t, { websocket: { maxMessageSize: '64KiB', maxQueueSize: '128KiB', slowClient: 'disconnect', ...websocket } })
  const events: string[] = []
  service.app.hub.on('error', (client, error) => events.push(`${client.identity.user}: error ${error.message}`))
  service.app.hub.on('close', (client, code) => events.push(`${client.identity.user}: close ${code}`))
  for (let n = 0; n < frozen; n++) await freeze(t, service.port, `frozen-${n}`)
  return { ...service, events }
}

/** Sends messages to a frozen client until the buffers of the kernel are full and frames are queued in the hub. */
async function fillSocket (app: FastifyInstance, user: string, chunk = CHUNK): Promise<void> {
  for (let n = 0; n < KERNEL_CHUNKS; n++) {
    const { behind, matched } = await app.hub.send({ user }, chunk)
    if (behind > 0 || matched === 0) return
  }
  throw new Error('the kernel buffered every message')
}

/** Resolves with the next frame apart from pings: the hub sends a ping after a message to a user. */
async function nextMessage (client: RawClient): Promise<Awaited<ReturnType<RawClient['next']>>> {
  const frame = await client.next()
  return frame.opcode === OPCODE.ping ? nextMessage(client) : frame
}

t.test('a frozen client is disconnected when too many bytes are queued for it, and delays no other client', async (t) => {
  const { app, url, events } = await listenWithFrozen(t, {}, 3)
  const healthy = await connect(t, url)
  const got: number[] = []
  while (app.hub.size > 1) {
    if (got.length >= KERNEL_CHUNKS * 2) return t.fail('the frozen clients are still connected')
    await app.hub.broadcast(`${got.length} ${CHUNK}`)
    // The healthy client receives each message while the other clients are frozen.
    got.push(parseInt(String(await healthy.next())))
  }
  t.same(got, Array.from(got, (_, n) => n))
  await until(() => events.length === 6)
  t.same(events.sort(), [0, 1, 2].flatMap((n) => [`frozen-${n}: close 4413`, `frozen-${n}: error too slow`]))
  t.match(await app.hub.broadcast('after'), { matched: 1, written: 1, behind: 0 })
  t.equal(await healthy.next(), 'after')
})

t.test('a frozen client is disconnected when too many small frames are queued for it', async (t) => {
  const { app, events } = await listenWithFrozen(t, { maxQueueSize: '64MiB', maxQueueWrites: 50 })
  await fillSocket(app, 'frozen-0')
  for (let n = 0; n < 60; n++) await app.hub.send({ user: 'frozen-0' }, '.')
  await until(() => events.length === 2)
  t.same(events, ['frozen-0: error too slow', 'frozen-0: close 4413'])
})

t.test('a frozen client is disconnected when its socket accepts no bytes until the write deadline', async (t) => {
  const websocket = { maxQueueSize: '64MiB', writeDeadline: '150ms', pingPeriod: '1h', readDeadline: 0 }
  const { app, events } = await listenWithFrozen(t, websocket)
  await fillSocket(app, 'frozen-0')
  await until(() => events.length === 2)
  t.same(events, ['frozen-0: error too slow', 'frozen-0: close 4413'])
  t.equal(app.hub.size, 0)
})

t.test('with dropNewest a slow client stays connected, and dropped messages are counted in the receipt and the list', async (t) => {
  const { app, log } = await listenWithFrozen(t, { slowClient: 'dropNewest' })
  await fillSocket(app, 'frozen-0')
  for (let n = 0; n < 20; n++) await app.hub.send({ user: 'frozen-0' }, CHUNK)
  t.match(await app.hub.send({ user: 'frozen-0' }, CHUNK), { matched: 1, written: 0, behind: 0, dropped: 1 })
  const { dropped, clients: [client] } = await app.hub.clients()
  t.ok(client !== undefined && client.behind && client.dropped > 10)
  t.equal(dropped, client?.dropped)
  t.equal(app.hub.counters.dropped, dropped)
  const warnings = log.lines.filter(({ msg }) => String(msg).includes('messages for it are dropped'))
  t.equal(warnings.length, 1, 'one line in the log')
  await app.hub.disconnect({ user: 'frozen-0' })
  await until(() => app.hub.size === 0)
  t.match(await app.hub.clients(), { total: 0, dropped }, 'the sum includes the ended client')
})

/**
 * Freezes a client, fills its socket, sends `total` small messages to it, and lets the client read on. Returns the
 * numbers of the messages that the client received.
 */
async function numbersReadBy (
  t: Test, websocket: ConfigInput['websocket'], total: number, conflate?: (n: number) => string | undefined
) {
  const { app, port } = await listenWithFrozen(t, { maxQueueWrites: 50, ...websocket }, 0)
  const client = await freeze(t, port, 'slow')
  await fillSocket(app, 'slow')
  for (let n = 0; n < total; n++) {
    const name = conflate?.(n)
    await app.hub.send({ user: 'slow' }, `number ${n}`, name === undefined ? {} : { conflate: name })
  }
  const { dropped } = await app.hub.clients()
  client.resume()
  await until(async () => (await app.hub.clients()).clients[0]?.behind === false)
  t.match(await app.hub.send({ user: 'slow' }, 'live again'), { matched: 1, written: 1, behind: 0, dropped: 0 })
  const numbers: number[] = []
  for (let text = ''; text !== 'live again';) {
    text = (await client.next()).payload.toString('latin1', 0, 20)
    if (text.startsWith('number')) numbers.push(Number(text.slice(7)))
  }
  return { numbers, dropped }
}

t.test('with dropOldest a slow client gets the newest messages that fit into the queue, in order, and then is live', async (t) => {
  const { numbers, dropped } = await numbersReadBy(t, { slowClient: 'dropOldest' }, 200)
  t.ok(dropped >= 150)
  t.same(numbers, Array.from({ length: numbers.length }, (_, n) => 200 - numbers.length + n))
  t.ok(numbers.length > 40 && numbers.length <= 50)
})

t.test('with latest a slow client gets the newest message of each conflate name, and each message without a name', async (t) => {
  const names = [undefined, 'gold', 'silver'] as const
  const { numbers, dropped } = await numbersReadBy(t, { slowClient: 'latest' }, 60, (n) => names[n % 3])
  t.same(numbers, [...Array.from({ length: 20 }, (_, n) => n * 3), 58, 59].sort((a, b) => a - b))
  t.equal(dropped, 38)
})

t.test('a burst larger than the bound drops no message of a healthy client, with any policy', async (t) => {
  for (const slowClient of ['disconnect', 'dropNewest', 'dropOldest', 'latest'] as const) {
    const { app, url } = await listenWithFrozen(t, { slowClient }, 0)
    const client = await connect(t, url)
    // Ten times the bound in one tick, and less than the kernel buffers.
    const receipts = await Promise.all(Array.from({ length: 40 }, (_, n) => app.hub.broadcast(`${n} ${CHUNK}`, { conflate: 'same' })))
    t.equal(receipts.filter(({ dropped }) => dropped === 0).length, 40, slowClient)
    const got: number[] = []
    while (got.length < 40) got.push(parseInt(String(await client.next())))
    t.same(got, Array.from({ length: 40 }, (_, n) => n), slowClient)
  }
})

t.test('the queue of a client that sends messages and never reads the replies is bounded', async (t) => {
  const { app, port, events } = await listenWithFrozen(t, { messagesPerSecond: 0 }, 0)
  const client = await rawConnect({ port, token: token({ user: 'sender' }) })
  t.teardown(() => client.destroy())
  client.pause()
  app.hub.onMessage((one) => { for (let n = 0; n < 10; n++) one.reply(CHUNK) })
  const sending = setInterval(() => client.send(frame({ opcode: OPCODE.text, payload: 'more' })), 1)
  t.teardown(() => clearInterval(sending))
  await until(() => events.length === 2)
  t.same(events, ['sender: error too slow', 'sender: close 4413'])
})

t.test('a slow client that reads on gets every message in order', async (t) => {
  const { app, port } = await listenWithFrozen(t, { maxQueueSize: '64MiB', maxQueueWrites: 100_000 }, 0)
  const client = await freeze(t, port, 'slow')
  const total = KERNEL_CHUNKS + 50
  let behind = 0
  for (let n = 0; n < total; n++) behind += (await app.hub.send({ user: 'slow' }, `${n} ${CHUNK}`)).behind
  t.ok(behind > 0, 'the client was behind')
  client.resume()
  for (let n = 0; n < total; n++) {
    const { payload } = await nextMessage(client)
    if (parseInt(payload.toString('latin1', 0, 10)) !== n) return t.fail(`message ${n} is missing or out of order`)
  }
  await until(async () => (await app.hub.clients()).clients[0]?.behind === false)
  t.match(await app.hub.send({ user: 'slow' }, 'live again'), { written: 1, behind: 0 })
})

t.test('a client whose socket is full of pongs gets every message once it reads', async (t) => {
  const websocket = { maxQueueSize: '64MiB', maxQueueWrites: 100_000, writeReadBufferSize: '1KiB' }
  const { app, port } = await listenWithFrozen(t, websocket, 0)
  const client = await freeze(t, port, 'pinger')
  await fillSocket(app, 'pinger')
  for (let n = 0; n < 50; n++) client.send(frame({ opcode: OPCODE.ping, payload: 'x'.repeat(100) }))
  await until(async () => (await app.hub.clients()).clients[0]?.behind === true)
  for (let n = 0; n < 100; n++) await app.hub.send({ user: 'pinger' }, `late ${n}`)
  client.resume()
  const late: string[] = []
  while (late.length < 100) {
    const text = (await client.next()).payload.toString('latin1', 0, 20)
    if (text.startsWith('late')) late.push(text)
  }
  t.same(late, Array.from({ length: 100 }, (_, n) => `late ${n}`))
  await until(async () => (await app.hub.clients()).clients[0]?.behind === false)
})

t.test('a client that is behind gets its queued messages before the Close frame', async (t) => {
  const { app, port } = await listenWithFrozen(t, { maxQueueSize: '64MiB', maxQueueWrites: 100_000 }, 0)
  const client = await freeze(t, port, 'slow')
  await fillSocket(app, 'slow')
  for (let n = 0; n < 20; n++) await app.hub.send({ user: 'slow' }, `tail ${n} ${CHUNK}`)
  await app.hub.disconnect({ user: 'slow' }, { code: 4321, reason: 'enough' })
  client.resume()
  t.same(await client.closed(), { code: 4321, reason: 'enough' })
  const tail = client.unread().map(({ payload }) => payload.toString('latin1', 0, 7)).filter((text) => text.startsWith('tail'))
  t.equal(tail.length, 20)
})

t.test('a burst of pings larger than the bound of queued pongs ends the connection', async (t) => {
  const { port, events } = await listenWithFrozen(t, {}, 0)
  const client = await rawConnect({ port, token: token({ user: 'pinger' }) })
  t.teardown(() => client.destroy())
  client.send(Buffer.concat(Array.from({ length: 61 }, () => frame({ opcode: OPCODE.ping }))))
  t.equal((await client.closed()).code, 1006)
  await until(() => events.length === 2)
  t.same(events, ['pinger: error connection lost', 'pinger: close 1006'])
})

t.test('a slow client is not closed as dead while its pings are queued, with any policy', async (t) => {
  await Promise.all((['dropNewest', 'dropOldest', 'latest'] as const).map(async (slowClient) => {
    const deadlines = { pingPeriod: '100ms', heartbeatFailMaxTimes: 1, readDeadline: '1s', writeDeadline: '30s' }
    const sizes = { maxMessageSize: '1MiB', maxQueueSize: '2MiB', maxQueueWrites: 50 }
    const { app, port, events } = await listenWithFrozen(t, { slowClient, ...sizes, ...deadlines }, 0)
    const client = await freeze(t, port, 'slow')
    // Large messages fill the socket before the hub misses an answer to a ping.
    await fillSocket(app, 'slow', 'x'.repeat(1024 * 1024))
    // Twice the time after which the hub closes a healthy client as dead.
    for (let n = 0, end = Date.now() + 2000; Date.now() < end; n++) {
      await app.hub.send({ user: 'slow' }, `${n}`)
      await sleep(10)
    }
    t.same(events, [], slowClient)
    client.resume()
    await until(async () => (await app.hub.clients()).clients[0]?.behind === false)
    t.equal(app.hub.size, 1)
  }))
})

t.test('with catchUp a slow client needs no queue, and gets every message in order', async (t) => {
  const { app, port, url } = await listenWithFrozen(t, { slowClient: 'catchUp', maxQueueWrites: 50 }, 0)
  const slow = await freeze(t, port, 'slow')
  const healthy = await connect(t, url)
  const published: string[] = []
  const gotByHealthy: string[] = []
  const publish = async (n: number): Promise<void> => {
    published.push(`${n}`)
    await app.hub.send(n % 2 === 0 ? { all: true } : { user: 'slow' }, `${n} ${CHUNK}`)
    if (n % 2 === 0) gotByHealthy.push(String(parseInt(String(await healthy.next()))))
  }
  for (let n = 0; n < 400; n++) await publish(n)
  t.match((await app.hub.clients({ user: 'slow' })).clients, [{ behind: true, dropped: 0 }])

  // A message published during the catch-up arrives in order.
  slow.resume()
  const got: string[] = []
  for (let n = 400; n < 450; n++) await publish(n)
  while (got.length < published.length) {
    const { payload } = await nextMessage(slow)
    got.push(parseInt(payload.toString('latin1', 0, 10)).toString())
  }
  t.same(got, published)
  t.same(gotByHealthy, published.filter((_, n) => n % 2 === 0))
  await until(async () => (await app.hub.clients({ user: 'slow' })).clients[0]?.behind === false)
  t.match(await app.hub.send({ user: 'slow' }, 'live again'), { written: 1, behind: 0 })
  t.match(await app.hub.send({ user: 'slow' }, 'not kept', { keep: false }), { stored: false, written: 1 })
})

t.test('the write deadline ends a reader that crawls, and no reader that is slow but steady', async (t) => {
  const { app, port, events } = await listenWithFrozen(t, { slowClient: 'catchUp', writeDeadline: '1s', pingPeriod: '1h', readDeadline: 0 }, 0)
  /** Reads a little in each period: what has arrived when the event loop turns once. */
  const read = async (user: string, everyMs: number): Promise<RawClient> => {
    const client = await freeze(t, port, user)
    const timer = setInterval(() => {
      client.resume()
      setImmediate(() => client.pause())
    }, everyMs)
    t.teardown(() => clearInterval(timer))
    return client
  }
  await read('crawling', 2000)
  const steady = await read('steady', 5)
  let published = 0
  while (events.length === 0 && published < KERNEL_CHUNKS * 3) {
    await app.hub.broadcast(`${published++} ${CHUNK}`)
    await sleep(5)
  }
  await until(() => events.length === 2)
  t.same(events, ['crawling: error too slow', 'crawling: close 4413'])
  const got: number[] = []
  while (got.length < published) got.push(parseInt((await nextMessage(steady)).payload.toString('latin1', 0, 10)))
  t.same(got, Array.from(got, (_, n) => n))
  t.equal(app.hub.size, 1)
})
