import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { Batch, Delivery, Frame } from '../../../services/hub/batch.ts'
import type { Connection } from '../../../services/hub/connection.ts'
import { Flusher } from '../../../services/hub/flusher.ts'
import { Outbox } from '../../../services/hub/outbox.ts'
import { until } from '../../helper.ts'

const frame = (text: string, delivery: Delivery | null = null) => new Frame(Buffer.from(text), delivery)

/** A connection whose peer is this test; `highWaterMark` bytes fit into its socket. */
function connection (highWaterMark = 1_000_000) {
  const stream = new PassThrough({ highWaterMark })
  const parts = { stream, isOpen: true, address: 'test', bytesRead: 0, close () {}, terminate () {}, pause () {}, resume () {} } satisfies Connection
  let text = ''
  return {
    ...parts,
    /** Everything that the peer can read by now. */
    read () {
      for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null) text += chunk.toString()
      return text
    }
  }
}

const LIMITS = { maxBytes: 1000, maxWrites: 100 }
const nextTick = () => new Promise((resolve) => setImmediate(resolve))

t.test('clients that got the same frames share one batch and its bytes', async (t) => {
  const root = new Batch()
  const [a, b] = [frame('a'), frame('b')]
  const [one, two] = [root.add(a).add(b), root.add(a).add(b)]
  t.equal(one, two)
  t.equal(one.bytes(), two.bytes(), 'the very same Buffer')
  t.equal(one.bytes().toString(), 'ab')
  t.equal(root.add(a).bytes(), a.bytes, 'one frame is not copied at all')
  t.not(root.add(b).add(a), one)
})

t.test('whatever is sent to whom, each client reads its own frames in their order', async () => {
  const step = fc.record({ text: fc.string({ minLength: 1, maxLength: 5 }), to: fc.uniqueArray(fc.nat(3)), endsTick: fc.boolean() })
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const flusher = new Flusher()
    const clients = [0, 1, 2, 3].map(() => {
      const peer = connection()
      return { peer, outbox: new Outbox(peer, flusher, { maxBytes: 10_000, maxWrites: 1000 }, () => 0), expected: '' }
    })
    for (const { text, to, endsTick } of steps) {
      const shared = frame(text)
      for (const n of to) {
        const client = clients[n]
        if (client === undefined) continue
        client.outbox.push(shared)
        client.expected += shared.bytes.toString()
      }
      if (endsTick) await nextTick()
    }
    await flusher.settled()
    for (const { peer, expected } of clients) if (peer.read() !== expected) return false
    return true
  }), { numRuns: 60 })
})

t.test('all frames of a tick leave in one write', async (t) => {
  const peer = connection()
  let writes = 0
  const write = peer.stream.write.bind(peer.stream)
  peer.stream.write = ((chunk: Buffer) => { writes++; return write(chunk) }) as typeof peer.stream.write
  const flusher = new Flusher()
  const outbox = new Outbox(peer, flusher, LIMITS, () => 0)
  for (const text of ['a', 'b', 'c']) outbox.push(frame(text))
  await flusher.settled()
  t.equal(writes, 1)
  t.equal(peer.read(), 'abc')
  t.equal(outbox.delivered, 3)
})

t.test('counts say for how many clients the socket took the bytes', async (t) => {
  const flusher = new Flusher()
  const [healthy, stuck] = [connection(), connection()]
  stuck.stream.cork() // Takes bytes, passes none on.
  const delivery = new Delivery()
  const shared = frame('hello', delivery)
  for (const peer of [healthy, stuck]) new Outbox(peer, flusher, LIMITS, () => 0).push(shared)
  await flusher.settled()
  t.equal(delivery.written, 1)
})

t.test('a write that failed is not counted, one that throws ends its connection, and others get theirs', async (t) => {
  const flusher = new Flusher()
  const [failed, broken, healthy] = [connection(), connection(), connection()]
  failed.stream.on('error', () => {})
  failed.stream._write = (_chunk, _encoding, done) => { done(new Error('reset')) }
  broken.stream.write = () => { throw new Error('broken') }
  let isCut = false
  const delivery = new Delivery()
  const shared = frame('hello', delivery)
  const all = [failed, { ...broken, terminate: () => { isCut = true } }, healthy].map((peer) => new Outbox(peer, flusher, LIMITS, () => 0))
  for (const outbox of all) outbox.push(shared)
  await flusher.settled()
  t.equal(delivery.written, 1)
  t.ok(isCut)
  t.equal(healthy.read(), 'hello')
  all[2]?.push(frame(' again'))
  await flusher.settled()
  t.equal(healthy.read(), 'hello again')
})

t.test('a full socket is left alone until it drains, then gets all that waited in one write', async (t) => {
  let now = 1000
  const peer = connection(4)
  const flusher = new Flusher()
  const outbox = new Outbox(peer, flusher, LIMITS, () => now)
  peer.stream.cork()
  outbox.push(frame('first'))
  await flusher.settled()
  t.ok(peer.stream.writableNeedDrain)
  now += 500
  for (const text of ['2', '3']) {
    outbox.push(frame(text))
    await flusher.settled()
  }
  t.equal(peer.stream.writableLength, 5, 'nothing was added to the socket')
  t.equal(outbox.waitedFor(now), 500)
  t.ok(outbox.isBehind)
  peer.stream.uncork()
  await until(() => peer.read() === 'first23')
  await nextTick()
  t.equal(outbox.waitedFor(now), 0)
})

t.test('the bound counts bytes and writes, and drops what is beyond', async (t) => {
  for (const [limits, text, fits] of [[{ maxBytes: 10, maxWrites: 100 }, 'xxxx', 1], [{ maxBytes: 1000, maxWrites: 3 }, 'x', 2]] as const) {
    const peer = connection(1)
    const flusher = new Flusher()
    const outbox = new Outbox(peer, flusher, limits, () => 1)
    peer.stream.cork()
    outbox.push(frame(text))
    await flusher.settled()
    let taken = 0
    while (outbox.push(frame(text))) taken++
    t.equal(taken, fits)
    t.equal(outbox.dropped, 1)
  }
})

t.test('a frame of any size goes to a client for which nothing waits', async (t) => {
  const peer = connection()
  const flusher = new Flusher()
  const outbox = new Outbox(peer, flusher, { maxBytes: 10, maxWrites: 1 }, () => 0)
  t.ok(outbox.push(frame('x'.repeat(1000))))
  await flusher.settled()
  t.equal(peer.read().length, 1000)
})

t.test('a burst in one tick does not make a healthy client slow', async (t) => {
  const peer = connection()
  const flusher = new Flusher()
  const outbox = new Outbox(peer, flusher, { maxBytes: 10, maxWrites: 5 }, () => 0)
  for (let n = 0; n < 100; n++) t.ok(outbox.push(frame('xxxx')))
  await flusher.settled()
  t.equal(peer.read().length, 400)
})
