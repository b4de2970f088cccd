import fc from 'fast-check'
import t from 'tap'
import { Delivery, Frame } from '../../../../services/hub/outbox/batch.ts'
import type { OutboxLimits } from '../../../../services/hub/outbox/outbox.ts'
import { until } from '../../../support/helper.ts'
import { frame, newFlusher, nextTick, Peer } from '../peer.ts'

/** Creates an outbox with a full socket, which holds a frame of five bytes until the peer thaws. */
async function stuck (limits: Partial<OutboxLimits>) {
  const peer = new Peer(4).freeze()
  const flusher = newFlusher()
  const outbox = peer.outbox(flusher, limits)
  outbox.push(frame('first'))
  await flusher.settled()
  /** Pushes each text in a tick of its own. */
  const push = async (...texts: Array<string | [text: string, conflate: string]>): Promise<Delivery[]> => {
    const deliveries: Delivery[] = []
    for (const text of texts) {
      const delivery = new Delivery()
      deliveries.push(delivery)
      outbox.push(typeof text === 'string' ? frame(text, delivery) : frame(text[0], delivery, text[1]))
      await flusher.settled()
    }
    return deliveries
  }
  /** Thaws the peer, and returns the text that the peer has received in all. */
  const thawed = async (): Promise<string> => {
    peer.thaw()
    await until(() => { peer.read(); return !outbox.isBehind })
    return peer.read()
  }
  return { peer, flusher, outbox, push, thawed }
}

t.test('a full socket gets no write until it drains, then all queued frames in one write', async (t) => {
  const { peer, flusher, outbox, push, thawed } = await stuck({})
  t.ok(peer.stream.writableNeedDrain)
  flusher.clock.now += 500
  await push('2', '3')
  t.equal(peer.stream.writableLength, 5, 'nothing was added to the socket')
  t.equal(outbox.blockedMs(flusher.clock.now), 500)
  t.ok(outbox.isBehind)
  t.equal(await thawed(), 'first23')
  t.equal(peer.writes, 2)
  t.equal(outbox.blockedMs(flusher.clock.now), 0)
})

t.test('the age of queued frames counts from the first frame, also after a late write to the socket', async (t) => {
  const { peer, flusher, outbox, push } = await stuck({})
  flusher.clock.now += 300
  await push('second')
  flusher.clock.now += 200
  peer.stream.prependOnceListener('drain', () => peer.freeze())
  peer.thaw()
  await until(() => { peer.read(); return peer.stream.writableLength === 6 })
  t.equal(outbox.blockedMs(flusher.clock.now), 200)
})

t.test('the bound counts bytes and writes, and frames over the bound are dropped', async (t) => {
  for (const [limits, text, fits] of [[{ maxBytes: 14 }, 'xxxx', 2], [{ maxWrites: 3 }, 'x', 2]] as const) {
    const { outbox, flusher, push, thawed } = await stuck(limits)
    const deliveries = await push(text, text, text, text)
    t.equal(outbox.dropped, 4 - fits)
    t.same(flusher.counters.dropped, 4 - fits)
    t.same(deliveries.map(({ dropped }) => dropped), [0, 0, 1, 1])
    t.equal(await thawed(), `first${text.repeat(fits)}`)
  }
})

t.test('dropOldest keeps the newest frames in order, and counts the dropped messages', async (t) => {
  for (const limits of [{ maxBytes: 10 }, { maxWrites: 2 }]) {
    const { outbox, push, thawed } = await stuck({ policy: 'dropOldest', ...limits })
    const deliveries = await push('-1-', '-2-', '-3-', '-4-', '-5-')
    t.ok(outbox.dropped >= 2)
    const kept = deliveries.map(({ dropped }, at) => dropped === 0 ? `-${at + 1}-` : '').join('')
    t.match(kept, /-5-$/)
    t.equal(await thawed(), `first${kept}`)
    await push('live')
    t.equal(await thawed(), `first${kept}live`)
  }
})

t.test('dropOldest never drops the newest frame, however large', async (t) => {
  const { push, thawed } = await stuck({ policy: 'dropOldest', maxBytes: 10 })
  await push('-1-', '-2-', 'much larger than the bound')
  t.equal(await thawed(), 'firstmuch larger than the bound')
})

t.test('latest keeps the newest frame of each conflate key, in the order of pushing', async (t) => {
  const { outbox, push, thawed } = await stuck({ policy: 'latest' })
  const deliveries = await push(['a1', 'a'], ['b1', 'b'], 'x', ['a2', 'a'], 'y', ['a3', 'a'])
  t.equal(outbox.dropped, 2)
  t.same(deliveries.map(({ dropped }) => dropped), [1, 0, 0, 1, 0, 0])
  t.equal(await thawed(), 'firstb1xya3')
})

t.test('latest drops no frame of a client that keeps up, and over the bound the oldest frames', async (t) => {
  const peer = new Peer()
  const flusher = newFlusher()
  const outbox = peer.outbox(flusher, { policy: 'latest' })
  for (const text of ['a1', 'a2', 'a3']) outbox.push(frame(text, null, 'a'))
  await flusher.settled()
  t.equal(peer.read(), 'a1a2a3')
  t.equal(outbox.dropped, 0)

  const slow = await stuck({ policy: 'latest', maxWrites: 2 })
  await slow.push('x', 'y', 'z')
  t.equal(await slow.thawed(), 'firstyz')
})

t.test('a backlog is written in parts, and later frames are queued behind it', async (t) => {
  const { peer, outbox, push, thawed } = await stuck({ policy: 'dropOldest', maxBytes: 200_000, maxWrites: 4 })
  const texts = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(40_000))
  await push(...texts)
  t.equal(outbox.dropped, 1)
  peer.stream.prependOnceListener('drain', () => peer.freeze())
  peer.thaw()
  await until(() => { peer.read(); return peer.stream.writableLength > 5 })
  t.equal(peer.stream.writableLength, 40_000, 'one part only, because newer frames cannot replace frames in the socket')
  await push('last')
  t.ok(await thawed() === `first${texts.slice(1).join('')}last`)
  t.equal(outbox.isBehind, false)
})

t.test('a backlog behind many small writes is written after these writes', async (t) => {
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
  const { peer, outbox, push } = await stuck({ policy: 'dropOldest', maxWrites: 2 })
  await push('1', '2', '3')
  outbox.flushLast()
  peer.thaw()
  await until(() => peer.read() === 'first23')
  t.equal(outbox.isBehind, false)
})

t.test('of all dropped messages to acknowledge, the outbox reports the lowest offset, in any order of dropping', async (t) => {
  const ofOffset = (offset: number, conflate?: string): Frame => new Frame(Buffer.from('xx'), null, conflate, offset)
  const cases = [
    ['dropNewest', [ofOffset(1), ofOffset(2), ofOffset(3), ofOffset(4), ofOffset(5)], 2],
    ['dropOldest', [ofOffset(1), ofOffset(2), ofOffset(3), ofOffset(4), ofOffset(5)], 1],
    // Offset 2 is replaced first, then offset 1 is over the bound, then offset 3.
    ['latest', [ofOffset(1), ofOffset(2, 'a'), ofOffset(3, 'a'), ofOffset(4), ofOffset(5)], 1]
  ] as const
  for (const [policy, frames, lowest] of cases) {
    const { outbox, flusher } = await stuck({ policy, maxWrites: policy === 'dropNewest' ? 3 : 2 })
    outbox.push(frame('of no message to acknowledge'))
    t.equal(outbox.firstLostOffset, Infinity)
    for (const one of frames) {
      outbox.push(one)
      await flusher.settled()
    }
    t.ok(outbox.dropped >= 3)
    t.equal(outbox.firstLostOffset, lowest, policy)
  }
})

t.test('with every policy, a client reads a part of the frames in order, and every frame is counted once', async () => {
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
    const isCounted = outbox.delivered === numbers.length && numbers.length + outbox.dropped === steps.length
    return isRising && hasNewest && isCounted
  }), { numRuns: 150 })
})

t.test('an empty outbox accepts a frame of any size', async (t) => {
  const peer = new Peer()
  const flusher = newFlusher()
  peer.outbox(flusher, { maxBytes: 10, maxWrites: 1 }).push(frame('x'.repeat(1000)))
  await flusher.settled()
  t.equal(peer.read().length, 1000)
})

t.test('a burst in one tick does not make a healthy client slow, with a small or a large socket buffer', async (t) => {
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

t.test('the bound counts the bytes in the socket now, not at an earlier time', async (t) => {
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
