import fc from 'fast-check'
import t from 'tap'
import { Delivery } from '../../../../services/hub/outbox/batch.ts'
import type { OutboxLimits } from '../../../../services/hub/outbox/outbox.ts'
import { until } from '../../../support/helper.ts'
import { frame, newFlusher, nextTick, Peer } from '../peer.ts'

/** A client whose socket is full: it has been given a frame of five bytes and passes none on. */
async function stuck (limits: Partial<OutboxLimits>) {
  const peer = new Peer(4).freeze()
  const flusher = newFlusher()
  const outbox = peer.outbox(flusher, limits)
  outbox.push(frame('first'))
  await flusher.settled()
  /** Says each in a tick of its own. */
  const say = async (...texts: Array<string | [text: string, conflate: string]>): Promise<Delivery[]> => {
    const deliveries: Delivery[] = []
    for (const text of texts) {
      const delivery = new Delivery()
      deliveries.push(delivery)
      outbox.push(typeof text === 'string' ? frame(text, delivery) : frame(text[0], delivery, text[1]))
      await flusher.settled()
    }
    return deliveries
  }
  /** What the peer has read when it has all that waited. */
  const thawed = async (): Promise<string> => {
    peer.thaw()
    await until(() => { peer.read(); return !outbox.isBehind })
    return peer.read()
  }
  return { peer, flusher, outbox, say, thawed }
}

t.test('a full socket is left alone until it drains, then gets all that waited in one write', async (t) => {
  const { peer, flusher, outbox, say, thawed } = await stuck({})
  t.ok(peer.stream.writableNeedDrain)
  flusher.clock.now += 500
  await say('2', '3')
  t.equal(peer.stream.writableLength, 5, 'nothing was added to the socket')
  t.equal(outbox.blockedMs(flusher.clock.now), 500)
  t.ok(outbox.isBehind)
  t.equal(await thawed(), 'first23')
  t.equal(peer.writes, 2)
  t.equal(outbox.blockedMs(flusher.clock.now), 0)
})

t.test('the age of what waits counts from its first frame, also when it has left for the socket only now', async (t) => {
  const { peer, flusher, outbox, say } = await stuck({})
  flusher.clock.now += 300
  await say('second')
  flusher.clock.now += 200
  peer.stream.prependOnceListener('drain', () => peer.freeze())
  peer.thaw()
  await until(() => { peer.read(); return peer.stream.writableLength === 6 })
  t.equal(outbox.blockedMs(flusher.clock.now), 200)
})

t.test('the bound counts bytes and writes, and drops what is beyond', async (t) => {
  for (const [limits, text, fits] of [[{ maxBytes: 14 }, 'xxxx', 2], [{ maxWrites: 3 }, 'x', 2]] as const) {
    const { outbox, flusher, say, thawed } = await stuck(limits)
    const deliveries = await say(text, text, text, text)
    t.equal(outbox.dropped, 4 - fits)
    t.same(flusher.counters.dropped, 4 - fits)
    t.same(deliveries.map(({ dropped }) => dropped), [0, 0, 1, 1])
    t.equal(await thawed(), `first${text.repeat(fits)}`)
  }
})

t.test('dropOldest keeps the newest, in order, and says which messages were lost', async (t) => {
  for (const limits of [{ maxBytes: 10 }, { maxWrites: 2 }]) {
    const { outbox, say, thawed } = await stuck({ policy: 'dropOldest', ...limits })
    const deliveries = await say('-1-', '-2-', '-3-', '-4-', '-5-')
    t.ok(outbox.dropped >= 2)
    const kept = deliveries.map(({ dropped }, at) => dropped === 0 ? `-${at + 1}-` : '').join('')
    t.match(kept, /-5-$/)
    t.equal(await thawed(), `first${kept}`)
    await say('live')
    t.equal(await thawed(), `first${kept}live`)
  }
})

t.test('dropOldest never drops the newest, however large it is', async (t) => {
  const { say, thawed } = await stuck({ policy: 'dropOldest', maxBytes: 10 })
  await say('-1-', '-2-', 'much larger than the bound')
  t.equal(await thawed(), 'firstmuch larger than the bound')
})

t.test('latest keeps the newest of each conflate key, at its own place in the order', async (t) => {
  const { outbox, say, thawed } = await stuck({ policy: 'latest' })
  const deliveries = await say(['a1', 'a'], ['b1', 'b'], 'x', ['a2', 'a'], 'y', ['a3', 'a'])
  t.equal(outbox.dropped, 2)
  t.same(deliveries.map(({ dropped }) => dropped), [1, 0, 0, 1, 0, 0])
  t.equal(await thawed(), 'firstb1xya3')
})

t.test('latest drops nothing for a client that keeps up, and over the bound the oldest', async (t) => {
  const peer = new Peer()
  const flusher = newFlusher()
  const outbox = peer.outbox(flusher, { policy: 'latest' })
  for (const text of ['a1', 'a2', 'a3']) outbox.push(frame(text, null, 'a'))
  await flusher.settled()
  t.equal(peer.read(), 'a1a2a3')
  t.equal(outbox.dropped, 0)

  const slow = await stuck({ policy: 'latest', maxWrites: 2 })
  await slow.say('x', 'y', 'z')
  t.equal(await slow.thawed(), 'firstyz')
})

t.test('what waits in a backlog leaves in parts, and what comes meanwhile goes behind it', async (t) => {
  const { peer, outbox, say, thawed } = await stuck({ policy: 'dropOldest', maxBytes: 200_000, maxWrites: 4 })
  const letters = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(40_000))
  await say(...letters)
  t.equal(outbox.dropped, 1)
  peer.stream.prependOnceListener('drain', () => peer.freeze())
  peer.thaw()
  await until(() => { peer.read(); return peer.stream.writableLength > 5 })
  t.equal(peer.stream.writableLength, 40_000, 'only as much as may not give way any more')
  await say('last')
  t.ok(await thawed() === `first${letters.slice(1).join('')}last`)
  t.equal(outbox.isBehind, false)
})

t.test('a backlog behind many small writes is written when they are', async (t) => {
  const peer = new Peer(1000).freeze()
  const flusher = newFlusher()
  const outbox = peer.outbox(flusher, { policy: 'dropOldest', maxWrites: 3 })
  for (const text of ['1', '2', '3', '4', '5']) {
    outbox.push(frame(text))
    await flusher.settled()
  }
  t.equal(peer.stream.writableNeedDrain, false)
  peer.thaw()
  await until(() => peer.read() === '12345')
})

t.test('a backlog is written before a Close frame', async (t) => {
  const { peer, outbox, say } = await stuck({ policy: 'dropOldest', maxWrites: 2 })
  await say('1', '2', '3')
  outbox.flushLast()
  peer.thaw()
  await until(() => peer.read() === 'first23')
  t.equal(outbox.isBehind, false)
})

t.test('whatever the policy and the pace, a client reads a part of what was said, in order, and every frame is counted once', async () => {
  const step = fc.record({ key: fc.constantFrom(undefined, 'a', 'b'), thaws: fc.boolean(), endsTick: fc.boolean() })
  const policies = fc.constantFrom('dropNewest', 'dropOldest', 'latest')
  await fc.assert(fc.asyncProperty(policies, fc.array(step, { maxLength: 60 }), async (policy, steps) => {
    const peer = new Peer(16).freeze()
    const flusher = newFlusher()
    const outbox = peer.outbox(flusher, { policy, maxBytes: 60, maxWrites: 12 })
    for (const [n, { key, thaws, endsTick }] of steps.entries()) {
      outbox.push(frame(`${n};`, null, key))
      if (endsTick) await flusher.settled()
      if (!thaws) continue
      peer.thaw()
      peer.read()
      peer.freeze()
    }
    await flusher.settled()
    peer.thaw()
    await until(() => { peer.read(); return !outbox.isBehind })
    const numbers = peer.read().split(';').slice(0, -1).map(Number)
    const isRising = numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? Infinity))
    const hasNewest = policy === 'dropNewest' || steps.length === 0 || numbers.at(-1) === steps.length - 1
    return isRising && hasNewest && numbers.length + outbox.dropped === steps.length && outbox.delivered === numbers.length
  }), { numRuns: 150 })
})

t.test('a frame of any size goes to a client for which nothing waits', async (t) => {
  const peer = new Peer()
  const flusher = newFlusher()
  peer.outbox(flusher, { maxBytes: 10, maxWrites: 1 }).push(frame('x'.repeat(1000)))
  await flusher.settled()
  t.equal(peer.read().length, 1000)
})

t.test('a burst in one tick does not make a healthy client slow, whatever its socket takes at once', async (t) => {
  for (const highWaterMark of [4, 1_000_000]) {
    const peer = new Peer(highWaterMark)
    const flusher = newFlusher()
    const outbox = peer.outbox(flusher, { maxBytes: 10, maxWrites: 5 })
    peer.stream.resume()
    const chunks: Buffer[] = []
    peer.stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    for (let n = 0; n < 100; n++) outbox.push(frame('xxxx'))
    await flusher.settled()
    await until(() => Buffer.concat(chunks).length === 400)
    t.equal(outbox.dropped, 0)
  }
})

t.test('the bound counts what is in the socket now, not what was', async (t) => {
  const peer = new Peer(4)
  const flusher = newFlusher()
  const outbox = peer.outbox(flusher, { maxBytes: 1000 })
  const dones: Array<() => void> = []
  peer.stream._write = (_chunk, _encoding, done) => { dones.push(done) }
  outbox.push(frame('x'.repeat(300)))
  await flusher.settled()
  peer.stream.write('y'.repeat(650))
  outbox.push(frame('z'.repeat(50)))
  await flusher.settled()
  dones.shift()?.()
  await nextTick()
  t.equal(peer.stream.writableLength, 650)
  outbox.push(frame('fits'.repeat(50)))
  t.equal(outbox.dropped, 0)
  outbox.push(frame('does not'.repeat(50)))
  t.equal(outbox.dropped, 1)
})
