import fc from 'fast-check'
import t from 'tap'
import * as ws from 'ws'
import { OPCODE, encodeFrame } from '../../../services/protocol/frame.ts'
import { createDeflatingEncoder } from '../../../services/protocol/deflate.ts'
import { raw } from '../../../services/protocol/raw.ts'

// Exported by `ws`, missing in its types.
const { Receiver, PerMessageDeflate } = ws as unknown as {
  Receiver: new (options: { isServer: boolean, extensions: Record<string, unknown> }) => NodeJS.WritableStream
  PerMessageDeflate: { new (options: { isServer: boolean }): { accept: (offers: object[]) => void }, extensionName: string }
}

/** What the receiver of the `ws` library, as a client, makes of some bytes. */
function receive (bytes: Buffer, receiver = newReceiver()): Array<{ data: string | Buffer, isBinary: boolean }> {
  const messages: Array<{ data: string | Buffer, isBinary: boolean }> = []
  receiver.on('message', (data: Buffer, isBinary: boolean) => messages.push({ data: isBinary ? data : data.toString(), isBinary }))
  receiver.on('ping', (data: Buffer) => messages.push({ data: `ping ${data.toString()}`, isBinary: false }))
  receiver.on('conclude', (code: number, reason: Buffer) => messages.push({ data: `close ${code} ${reason.toString()}`, isBinary: false }))
  receiver.write(bytes)
  return messages
}

/** The receiving half of a `ws` client that has agreed on permessage-deflate. */
function newReceiver () {
  const deflate = new PerMessageDeflate({ isServer: false })
  deflate.accept([{ server_no_context_takeover: [true] }])
  return new Receiver({ isServer: false, extensions: { [PerMessageDeflate.extensionName]: deflate } })
}

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
  t.same(receive(encodeFrame(OPCODE.ping, 'Server->Ping->Client')), [{ data: 'ping Server->Ping->Client', isBinary: false }])
  t.same(receive(encodeFrame(OPCODE.close, Buffer.concat([Buffer.from([0x10, 0xa0]), Buffer.from('bye')]))), [{ data: 'close 4256 bye', isBinary: false }])
})

t.test('frames that follow each other in one piece of bytes are told apart, whatever their kind and length', async () => {
  const kinds = fc.constantFrom(OPCODE.text, OPCODE.binary)
  const frames = fc.array(fc.record({ opcode: kinds, length: fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536) }), { minLength: 1, maxLength: 8 })
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
  t.equal((encode(OPCODE.text, 'x'.repeat(99))[0] ?? 0) & 0x40, 0)
  await fc.assert(fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.integer({ min: 0, max: 4000 }), async (word, times) => {
    const text = word.repeat(times)
    const frame = encode(OPCODE.text, text)
    const isDeflated = ((frame[0] ?? 0) & 0x40) !== 0
    const receiver = newReceiver()
    const read = new Promise<Buffer>((resolve) => receiver.on('message', resolve))
    receiver.write(frame)
    return (await read).toString() === text && isDeflated === (frame.length < Buffer.byteLength(text))
  }), { numRuns: 50 })
})

t.test('raw messages are text, JSON as text, or binary', async (t) => {
  const encode = (payload: Parameters<typeof raw.encode>[0]['payload']) => receive(raw.encode({ payload }))
  t.same(encode({ kind: 'text', data: 'hello' }), [{ data: 'hello', isBinary: false }])
  t.same(encode({ kind: 'json', data: '{"a":1}' }), [{ data: '{"a":1}', isBinary: false }])
  t.same(encode({ kind: 'binary', data: Buffer.from([1, 2]) }), [{ data: Buffer.from([1, 2]), isBinary: true }])
  t.same(receive(raw.ping), [{ data: 'ping Server->Ping->Client', isBinary: false }])
})

t.test('a raw frame is a call only when it names an action, and harmless', async (t) => {
  const actions = new Set(['sum', 'constructor'])
  const decode = (text: string) => raw.decode(Buffer.from(text), false, actions)
  t.same(decode('{"action":"sum","data":[1,2],"id":7}'), { kind: 'action', name: 'sum', data: [1, 2], id: 7 })
  for (const text of ['hello', '', '{', '{}', '{"action":1}', '{"action":"other"}', '{"action":"toString"}', '[]', 'null',
    `{"action":"sum","id":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, '{"action":"sum","id":{}}', `{"action":"sum","id":"${'x'.repeat(257)}"}`,
    '{"action":"sum","__proto__":{"admin":true}}', '{"action":"sum","data":{"constructor":{"prototype":{"x":1}}}}']) {
    t.same(decode(text), { kind: 'message', data: text })
  }
  t.same(raw.decode(Buffer.from('{"action":"sum"}'), true, actions).kind, 'message', 'a binary frame is never a call')
  t.same(raw.decode(Buffer.from('{"action":"sum"}'), false, new Set()).kind, 'message', 'nothing is parsed when there are no actions')
  t.equal(decode(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`).kind, 'message', 'depth does no harm')
})
