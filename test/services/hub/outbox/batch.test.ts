import fc from 'fast-check'
import t from 'tap'
import { Batch, Delivery } from '../../../../services/hub/outbox/batch.ts'
import { frame, newFlusher, nextTick, Peer } from '../peer.ts'

t.test('clients with the same queued frames share one batch and its bytes', async (t) => {
  const [a, b, c] = [frame('a'), frame('b'), frame('c')]
  const begin = new Batch(null, a, 0)
  const [one, two] = [begin.add(b).add(c), begin.add(b).add(c)]
  t.equal(one, two)
  t.equal(one.bytes(), two.bytes(), 'the very same Buffer')
  t.equal(one.bytes().toString(), 'abc')
  t.same(one.list(), [a, b, c])
  t.equal(begin.bytes(), a.bytes, 'one frame is not copied at all')
  t.not(begin.add(c).add(b), one)
})

t.test('clients with the same first frame share a batch, others do not', async (t) => {
  const flusher = newFlusher()
  const [raw, deflated] = [frame('raw'), frame('deflated')]
  const batches = [raw, deflated, raw, deflated].map((first) => flusher.startBatch(first))
  t.equal(batches[0], batches[2])
  t.equal(batches[1], batches[3])
  t.not(batches[0], batches[1])
  flusher.add({ flush () {} })
  await flusher.settled()
  t.not(flusher.startBatch(raw), batches[0], 'a new tick starts a new batch')
})

t.test('for any sequence of frames and receivers, each client reads its own frames in order', async () => {
  const text = fc.string({ minLength: 1, maxLength: 5 })
  const step = fc.record({ text, to: fc.uniqueArray(fc.nat(3)), endsTick: fc.boolean() })
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const flusher = newFlusher()
    const clients = [0, 1, 2, 3].map(() => {
      const peer = new Peer()
      return { peer, outbox: peer.outbox(flusher, { maxBytes: 10_000, maxWrites: 1000 }), expected: '' }
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
    return clients.every(({ peer, expected }) => peer.read() === expected)
  }), { numRuns: 60 })
})

t.test('all frames of a tick leave in one write', async (t) => {
  const peer = new Peer()
  const flusher = newFlusher()
  const outbox = peer.outbox(flusher)
  for (const text of ['a', 'b', 'c']) outbox.push(frame(text))
  await flusher.settled()
  t.equal(peer.writes, 1)
  t.equal(peer.read(), 'abc')
  t.equal(outbox.delivered, 3)
  t.same(flusher.counters, { delivered: 3, dropped: 0 })
})

t.test('with an interval, all frames of the interval leave in one write, then receipts resolve', async (t) => {
  const peer = new Peer()
  const flusher = newFlusher(40)
  const outbox = peer.outbox(flusher)
  const delivery = new Delivery()
  const started = performance.now()
  outbox.push(frame('a', delivery))
  await nextTick()
  outbox.push(frame('b', delivery))
  await nextTick()
  t.equal(peer.writes, 0)
  await flusher.settled()
  t.ok(performance.now() - started >= 39)
  t.equal(peer.writes, 1)
  t.equal(peer.read(), 'ab')
  t.equal(delivery.written, 2)
  const idle = performance.now()
  await flusher.settled()
  t.ok(performance.now() - idle < 39, 'without queued frames, settled does not wait for the interval')
})

t.test('a delivery counts the clients whose socket took the bytes', async (t) => {
  const flusher = newFlusher()
  const [healthy, stuck] = [new Peer(), new Peer().freeze()]
  const delivery = new Delivery()
  const shared = frame('hello', delivery)
  for (const peer of [healthy, stuck]) peer.outbox(flusher).push(shared)
  await flusher.settled()
  t.equal(delivery.written, 1)
})

t.test('a failed write is not counted, a throwing write ends its connection, others are not affected', async (t) => {
  const flusher = newFlusher()
  const [failed, broken, healthy] = [new Peer(), new Peer(), new Peer()]
  failed.stream.on('error', () => {})
  failed.stream._write = (_chunk, _encoding, done) => { done(new Error('reset')) }
  broken.stream.write = () => { throw new Error('broken') }
  const delivery = new Delivery()
  const shared = frame('hello', delivery)
  const all = [failed, broken, healthy].map((peer) => peer.outbox(flusher))
  for (const outbox of all) outbox.push(shared)
  await flusher.settled()
  t.equal(delivery.written, 1)
  t.ok(broken.isCut)
  t.equal(healthy.read(), 'hello')
  all[2]?.push(frame(' again'))
  await flusher.settled()
  t.equal(healthy.read(), 'hello again')
})
