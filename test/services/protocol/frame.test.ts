import fc from 'fast-check'
import t from 'tap'
import { OPCODE, encodeFrame } from '../../../services/protocol/frame.ts'
import { createDeflatingEncoder } from '../../../services/protocol/deflate.ts'
import { isCompressed, newReceiver, receive, receiveOne } from '../../support/ws-receiver.ts'

t.test('a client reads back any text', async () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
    const [message] = receive(encodeFrame(OPCODE.text, text))
    return message?.data === text && !message.isBinary
  }))
})

t.test('a client reads back any bytes', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    const [message] = receive(encodeFrame(OPCODE.binary, bytes))
    return message !== undefined && message.isBinary && Buffer.compare(message.data as Buffer, bytes) === 0
  }))
})

t.test('the length takes as few bytes as it can (RFC 6455 section 5.2)', async (t) => {
  for (const [length, header] of [[0, 2], [125, 2], [126, 4], [65535, 4], [65536, 10], [70_000, 10]] as const) {
    const frame = encodeFrame(OPCODE.binary, Buffer.alloc(length, 7))
    t.equal(frame.length, header + length, `${length} bytes`)
    t.equal((receive(frame)[0]?.data as Buffer).length, length)
  }
})

t.test('control frames are read back', async (t) => {
  const ping = encodeFrame(OPCODE.ping, 'Server->Ping->Client')
  t.same(receive(ping), [{ data: 'ping Server->Ping->Client', isBinary: false }])
  const close = encodeFrame(OPCODE.close, Buffer.concat([Buffer.from([0x10, 0xa0]), Buffer.from('bye')]))
  t.same(receive(close), [{ data: 'close 4256 bye', isBinary: false }])
})

t.test('consecutive frames in one buffer are separated, of any kind and length', async () => {
  const kinds = fc.constantFrom(OPCODE.text, OPCODE.binary)
  const lengths = fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536)
  const frames = fc.array(fc.record({ opcode: kinds, length: lengths }), { minLength: 1, maxLength: 8 })
  await fc.assert(fc.asyncProperty(frames, async (all) => {
    const read: string[] = []
    const receiver = newReceiver()
    receiver.on('message', (data: Buffer, isBinary: boolean) => read.push(`${isBinary} ${data.length}`))
    receiver.write(Buffer.concat(all.map(({ opcode, length }) => encodeFrame(opcode, 'x'.repeat(length)))))
    await new Promise<void>((resolve) => { receiver.end(() => resolve()) })
    return read.join() === all.map(({ opcode, length }) => `${opcode === OPCODE.binary} ${length}`).join()
  }), { numRuns: 50 })
})

t.test('a deflated frame has RSV1 and is read back by a client that agreed on it (RFC 7692)', async (t) => {
  const encode = createDeflatingEncoder({ thresholdBytes: 100, level: 6 })
  t.notOk(isCompressed(encode(OPCODE.text, 'x'.repeat(99))))
  const words = fc.string({ unit: 'grapheme', maxLength: 30 })
  await fc.assert(fc.asyncProperty(words, fc.integer({ min: 0, max: 4000 }), async (word, times) => {
    const text = word.repeat(times)
    const frame = encode(OPCODE.text, text)
    return await receiveOne(frame) === text && isCompressed(frame) === (frame.length < Buffer.byteLength(text))
  }), { numRuns: 50 })
})
