import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { ConfigInput } from '../../services/config/input.ts'
import { connect, listen, token, until } from '../support/helper.ts'
import { frame, OPCODE, rawConnect, type RawClient } from '../support/raw-client.ts'

// The kernel takes about 4 MB for a loopback connection before anything waits in the hub.
const CHUNK = 'x'.repeat(32 * 1024)
const KERNEL_CHUNKS = 300

/** A client that has stopped reading, of a user of its own. */
async function freeze (t: Test, port: number, user: string): Promise<RawClient> {
  const client = await rawConnect({ port, token: token({ user }) })
  await client.next()
  client.pause()
  t.teardown(() => client.destroy())
  return client
}

async function scene (t: Test, websocket: ConfigInput['websocket'], frozen = 1) {
  const service = await listen(t, { websocket: { maxMessageSize: '64KiB', maxQueueSize: '128KiB', slowClient: 'disconnect', ...websocket } })
  const told: string[] = []
  service.app.hub.on('error', (client, error) => told.push(`${client.identity.user}: error ${error.message}`))
  service.app.hub.on('close', (client, code) => told.push(`${client.identity.user}: close ${code}`))
  for (let n = 0; n < frozen; n++) await freeze(t, service.port, `frozen-${n}`)
  return { ...service, told }
}

/** Says so much to the frozen ones that the kernel takes no more and something waits in the hub. */
async function fill (app: FastifyInstance, user: string): Promise<void> {
  for (let n = 0; n < KERNEL_CHUNKS; n++) {
    const { behind, matched } = await app.hub.send({ user }, CHUNK)
    if (behind > 0 || matched === 0) return
  }
  throw new Error('the kernel took everything')
}

/** The next frame that is no ping: messages to a user are followed by one. */
async function nextMessage (client: RawClient): Promise<Awaited<ReturnType<RawClient['next']>>> {
  const frame = await client.next()
  return frame.opcode === OPCODE.ping ? nextMessage(client) : frame
}

t.test('a frozen client is disconnected when too many bytes are queued for it, and delays no other client', async (t) => {
  const { app, url, told } = await scene(t, {}, 3)
  const healthy = await connect(t, url)
  const got: number[] = []
  while (app.hub.size > 1) {
    if (got.length >= KERNEL_CHUNKS * 2) return t.fail('the frozen clients were kept')
    await app.hub.broadcast(`${got.length} ${CHUNK}`)
    // It gets each message while the others are stuck.
    got.push(parseInt(String(await healthy.next())))
  }
  t.same(got, Array.from(got, (_, n) => n))
  await until(() => told.length === 6)
  t.same(told.sort(), [0, 1, 2].flatMap((n) => [`frozen-${n}: close 4413`, `frozen-${n}: error too slow`]))
  t.match(await app.hub.broadcast('after'), { matched: 1, written: 1, behind: 0 })
  t.equal(await healthy.next(), 'after')
})

t.test('a frozen client is disconnected when too many frames wait for it, however small', async (t) => {
  const { app, told } = await scene(t, { maxQueueSize: '64MiB', maxQueueWrites: 50 })
  await fill(app, 'frozen-0')
  for (let n = 0; n < 60; n++) await app.hub.send({ user: 'frozen-0' }, '.')
  await until(() => told.length === 2)
  t.same(told, ['frozen-0: error too slow', 'frozen-0: close 4413'])
})

t.test('a frozen client is disconnected when its socket takes nothing for the write deadline', async (t) => {
  const { app, told } = await scene(t, { maxQueueSize: '64MiB', writeDeadline: '150ms', pingPeriod: '1h', readDeadline: 0 })
  await fill(app, 'frozen-0')
  await until(() => told.length === 2)
  t.same(told, ['frozen-0: error too slow', 'frozen-0: close 4413'])
  t.equal(app.hub.size, 0)
})

t.test('with dropNewest it stays, loses what does not fit, and the receipt and the list say so', async (t) => {
  const { app, log } = await scene(t, { slowClient: 'dropNewest' })
  await fill(app, 'frozen-0')
  for (let n = 0; n < 20; n++) await app.hub.send({ user: 'frozen-0' }, CHUNK)
  t.match(await app.hub.send({ user: 'frozen-0' }, CHUNK), { matched: 1, written: 0, behind: 0, dropped: 1 })
  const { dropped, clients: [client] } = await app.hub.clients()
  t.ok(client !== undefined && client.behind && client.dropped > 10)
  t.equal(dropped, client?.dropped)
  t.equal(app.hub.counters.dropped, dropped)
  t.equal(log.lines.filter(({ msg }) => String(msg).includes('messages for it are dropped')).length, 1, 'the log says it once')
  await app.hub.disconnect({ user: 'frozen-0' })
  await until(() => app.hub.size === 0)
  t.match(await app.hub.clients(), { total: 0, dropped }, 'the sum outlives the client')
})

/** Freezes a client until the kernel takes no more, sends `total` small messages to it, thaws it, and answers the numbers of those that it read. */
async function numbersReadBy (t: Test, websocket: ConfigInput['websocket'], total: number, conflate?: (n: number) => string | undefined) {
  const { app, port } = await scene(t, { maxQueueWrites: 50, ...websocket }, 0)
  const client = await freeze(t, port, 'slow')
  await fill(app, 'slow')
  for (let n = 0; n < total; n++) {
    const word = conflate?.(n)
    await app.hub.send({ user: 'slow' }, `number ${n}`, word === undefined ? {} : { conflate: word })
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

t.test('with dropOldest a slow client gets the newest that fit, in order, and then is live', async (t) => {
  const { numbers, dropped } = await numbersReadBy(t, { slowClient: 'dropOldest' }, 200)
  t.ok(dropped >= 150)
  t.same(numbers, Array.from({ length: numbers.length }, (_, n) => 200 - numbers.length + n))
  t.ok(numbers.length > 40 && numbers.length <= 50)
})

t.test('with latest a slow client gets the newest of each conflate word, and everything that has none', async (t) => {
  const words = [undefined, 'gold', 'silver'] as const
  const { numbers, dropped } = await numbersReadBy(t, { slowClient: 'latest' }, 60, (n) => words[n % 3])
  t.same(numbers, [...Array.from({ length: 20 }, (_, n) => n * 3), 58, 59].sort((a, b) => a - b))
  t.equal(dropped, 38)
})

t.test('a burst larger than the bound costs no healthy client anything, whatever the policy', async (t) => {
  for (const slowClient of ['disconnect', 'dropNewest', 'dropOldest', 'latest'] as const) {
    const { app, url } = await scene(t, { slowClient }, 0)
    const client = await connect(t, url)
    // Ten times the bound in one tick, and less than the kernel takes.
    const receipts = await Promise.all(Array.from({ length: 40 }, (_, n) => app.hub.broadcast(`${n} ${CHUNK}`, { conflate: 'same' })))
    t.equal(receipts.filter(({ dropped }) => dropped === 0).length, 40, slowClient)
    const got: number[] = []
    while (got.length < 40) got.push(parseInt(String(await client.next())))
    t.same(got, Array.from({ length: 40 }, (_, n) => n), slowClient)
  }
})

t.test('a client that talks and never reads its answers is bounded as well', async (t) => {
  const { app, port, told } = await scene(t, { messagesPerSecond: 0 }, 0)
  const client = await rawConnect({ port, token: token({ user: 'talker' }) })
  t.teardown(() => client.destroy())
  client.pause()
  app.hub.onMessage((one) => { for (let n = 0; n < 10; n++) one.reply(CHUNK) })
  const talking = setInterval(() => client.send(frame({ opcode: OPCODE.text, payload: 'more' })), 1)
  t.teardown(() => clearInterval(talking))
  await until(() => told.length === 2)
  t.same(told, ['talker: error too slow', 'talker: close 4413'])
})

t.test('a slow client that reads on gets everything, in order', async (t) => {
  const { app, port } = await scene(t, { maxQueueSize: '64MiB', maxQueueWrites: 100_000 }, 0)
  const client = await freeze(t, port, 'slow')
  const total = KERNEL_CHUNKS + 50
  let behind = 0
  for (let n = 0; n < total; n++) behind += (await app.hub.send({ user: 'slow' }, `${n} ${CHUNK}`)).behind
  t.ok(behind > 0, 'it was behind')
  client.resume()
  for (let n = 0; n < total; n++) {
    const { payload } = await nextMessage(client)
    if (parseInt(payload.toString('latin1', 0, 10)) !== n) return t.fail(`message ${n} is missing or out of order`)
  }
  await until(async () => (await app.hub.clients()).clients[0]?.behind === false)
  t.match(await app.hub.send({ user: 'slow' }, 'live again'), { written: 1, behind: 0 })
})

t.test('a client whose socket was filled by pongs gets everything once it reads', async (t) => {
  const { app, port } = await scene(t, { maxQueueSize: '64MiB', maxQueueWrites: 100_000, writeReadBufferSize: '1KiB' }, 0)
  const client = await freeze(t, port, 'pinger')
  await fill(app, 'pinger')
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

t.test('a client that is behind gets what waits for it before the Close frame', async (t) => {
  const { app, port } = await scene(t, { maxQueueSize: '64MiB', maxQueueWrites: 100_000 }, 0)
  const client = await freeze(t, port, 'slow')
  await fill(app, 'slow')
  for (let n = 0; n < 20; n++) await app.hub.send({ user: 'slow' }, `tail ${n} ${CHUNK}`)
  await app.hub.disconnect({ user: 'slow' }, { code: 4321, reason: 'enough' })
  client.resume()
  t.same(await client.closed(), { code: 4321, reason: 'enough' })
  const tail = client.unread().map(({ payload }) => payload.toString('latin1', 0, 7)).filter((text) => text.startsWith('tail'))
  t.equal(tail.length, 20)
})

t.test('more pings at once than may wait for their pongs end the connection', async (t) => {
  const { port, told } = await scene(t, {}, 0)
  const client = await rawConnect({ port, token: token({ user: 'pinger' }) })
  t.teardown(() => client.destroy())
  client.send(Buffer.concat(Array.from({ length: 61 }, () => frame({ opcode: OPCODE.ping }))))
  t.equal((await client.closed()).code, 1006)
  await until(() => told.length === 2)
  t.same(told, ['pinger: error connection lost', 'pinger: close 1006'])
})

t.test('a slow client is not taken for dead because its pings would have to wait, whatever the policy', async (t) => {
  await Promise.all((['dropNewest', 'dropOldest', 'latest'] as const).map(async (slowClient) => {
    const { app, port, told } = await scene(t, { slowClient, maxQueueWrites: 50, pingPeriod: '100ms', heartbeatFailMaxTimes: 1, readDeadline: '1s', writeDeadline: '30s' }, 0)
    const client = await freeze(t, port, 'slow')
    await fill(app, 'slow')
    // Twice the time after which a client that is not slow would be taken for dead.
    for (let n = 0, end = Date.now() + 2000; Date.now() < end; n++) {
      await app.hub.send({ user: 'slow' }, `${n}`)
      await sleep(10)
    }
    t.same(told, [], slowClient)
    client.resume()
    await until(async () => (await app.hub.clients()).clients[0]?.behind === false)
    t.equal(app.hub.size, 1)
  }))
})

t.test('a slow client that may catch up costs no queue, and gets everything in order', async (t) => {
  const { app, port, url } = await scene(t, { slowClient: 'catchUp', maxQueueWrites: 50 }, 0)
  const slow = await freeze(t, port, 'slow')
  const healthy = await connect(t, url)
  const said: string[] = []
  const gotByHealthy: string[] = []
  const say = async (n: number): Promise<void> => {
    said.push(`${n}`)
    await app.hub.send(n % 2 === 0 ? { all: true } : { user: 'slow' }, `${n} ${CHUNK}`)
    if (n % 2 === 0) gotByHealthy.push(String(parseInt(String(await healthy.next()))))
  }
  for (let n = 0; n < 400; n++) await say(n)
  t.match((await app.hub.clients({ user: 'slow' })).clients, [{ behind: true, dropped: 0 }])

  // A message published during the catch-up arrives in order.
  slow.resume()
  const got: string[] = []
  for (let n = 400; n < 450; n++) await say(n)
  while (got.length < said.length) got.push(parseInt((await nextMessage(slow)).payload.toString('latin1', 0, 10)).toString())
  t.same(got, said)
  t.same(gotByHealthy, said.filter((_, n) => n % 2 === 0))
  await until(async () => (await app.hub.clients({ user: 'slow' })).clients[0]?.behind === false)
  t.match(await app.hub.send({ user: 'slow' }, 'live again'), { written: 1, behind: 0 })
  t.match(await app.hub.send({ user: 'slow' }, 'not kept', { keep: false }), { stored: false, written: 1 })
})
