import fc from 'fast-check'
import type { Test } from 'tap'
import type { Address, Payload } from '../../../services/model/message.ts'
import type { CommandWithReply, Protocol } from '../../../services/protocol/protocol.ts'

/** A protocol under test, with the receiving side. */
export interface ProtocolSuite {
  readonly protocol: Protocol
  /** The messages that a client's application receives from these bytes. */
  readonly receivedFrom: (bytes: Buffer) => Array<string | Buffer>
  /** The message that a client should receive for a payload; by default the payload's data. */
  readonly expectedOf?: (payload: Payload) => string | Buffer
}

/** Any text: plain, with every kind of line end, with quotes, with surrogates that stand alone. */
export const texts = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom(
      '\r', '\n', ' ', ':', '"', '\\', 'a', 'data: ', 'id: 1', '\u0000', '\u2028', '\u2029', '\ufeff', '\ud800', '\udc00', '😀'
    )
  })
)

export const payloads: fc.Arbitrary<Payload> = fc.oneof(
  texts.map((data) => ({ kind: 'text' as const, data })),
  fc.oneof(fc.jsonValue(), texts).map((value) => ({ kind: 'json' as const, data: JSON.stringify(value) })),
  fc.uint8Array().map((data) => ({ kind: 'binary' as const, data }))
)

const ids = fc.oneof(texts, fc.constantFrom('bob', '"', '\n'))
  .map((text) => text.slice(0, 256))
  .filter((text) => text !== '')

const addresses: fc.Arbitrary<Address> = fc.oneof(
  fc.constant({ all: true } as const), fc.record({ user: ids }), fc.record({ group: ids }), fc.record({ client: ids })
)

const messages = fc.record({
  payload: payloads,
  address: addresses,
  from: fc.option(ids, { nil: undefined }),
  offset: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
})

/** Frames that a client may send: noise, JSON of any shape, and requests with one invalid field. */
const frames: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  fc.json({ stringUnit: 'binary' }).map((text) => Buffer.from(text)),
  fc.record({
    type: fc.constantFrom(
      'joinGroup', 'leaveGroup', 'sendToGroup', 'event', 'invoke', 'cancelInvocation', 'sequenceAck', 'ping',
      'toString', '__proto__', 'pong'
    ),
    group: fc.oneof(ids, fc.jsonValue()),
    event: fc.oneof(ids, fc.jsonValue()),
    invocationId: fc.oneof(ids, fc.jsonValue()),
    target: fc.oneof(fc.constant('event'), fc.jsonValue()),
    ackId: fc.oneof(fc.nat(), fc.double(), fc.jsonValue()),
    sequenceId: fc.oneof(fc.nat(), fc.maxSafeInteger().map(String), fc.jsonValue()),
    noEcho: fc.oneof(fc.boolean(), fc.jsonValue()),
    dataType: fc.oneof(fc.constantFrom('json', 'text', 'binary', 'protobuf', 'Json'), fc.jsonValue()),
    data: fc.oneof(fc.jsonValue(), texts, fc.base64String())
  }, { requiredKeys: ['type'] }).map((request) => Buffer.from(JSON.stringify(request)))
)

const deep = (open: string, close: string) => Buffer.from(`${open.repeat(50_000)}1${close.repeat(50_000)}`)

/** Frames that have broken decoders before. */
const hostile: Buffer[] = [
  deep('[', ']'), deep('{"a":', '}'),
  Buffer.concat([Buffer.from('{"type":"sendToGroup","group":"g","data":'), deep('[', ']'), Buffer.from('}')]),
  Buffer.concat([Buffer.from('{"type":"event","event":"e","data":'), deep('{"a":', '}'), Buffer.from('}')]),
  ...[
    '', ' ', 'null', '1e999999', `1${'0'.repeat(5000)}`, '"', '\ufeff{}', '[]', '{"type":null}', '{"type":"ping","type":{}}',
    '{"__proto__":{"type":"ping"}}', '{"type":"ping","constructor":{"prototype":{}}}',
    '{"type":"sequenceAck","sequenceId":1e308}', '{"type":"joinGroup","group":"g","ackId":1e400}'
  ].map((text) => Buffer.from(text))
]

const KINDS = new Set([
  'message', 'action', 'event', 'join', 'leave', 'send', 'acknowledge', 'ping', 'ignored', 'refused', 'invalid'
])
const actions = new Set(['sum'])

/** The promises of the port that every protocol keeps. */
export function protocolSuite (t: Test, { protocol, receivedFrom, expectedOf = dataOf }: ProtocolSuite): void {
  t.test('a client receives any payload to any address', async () => {
    fc.assert(fc.property(messages, (message) => {
      return isSame(receivedFrom(protocol.encode(message)), [expectedOf(message.payload)])
    }))
    fc.assert(fc.property(payloads, (payload) => {
      return isSame(receivedFrom(protocol.encodeReply(payload)), [expectedOf(payload)])
    }))
  })

  t.test('a client receives the messages of one buffer in order', async () => {
    fc.assert(fc.property(fc.array(messages, { maxLength: 5 }), (all) => {
      const bytes = Buffer.concat(all.flatMap((message) => {
        return [protocol.encode(message), protocol.ping, protocol.encodeProbe(message.offset).bytes]
      }))
      return isSame(receivedFrom(bytes), all.map(({ payload }) => expectedOf(payload)))
    }))
  })

  t.test('the same message has the same bytes', async () => {
    fc.assert(fc.property(messages, (message) => protocol.encode(message).equals(protocol.encode({ ...message }))))
  })

  t.test('decode accepts any bytes, and never throws', async (t) => {
    const isCommand = (data: Buffer, isBinary: boolean) => {
      const command = protocol.decode(data, isBinary, actions)
      // A reason has to fit into a Close frame (RFC 6455 section 5.5).
      return KINDS.has(command.kind) && (command.kind !== 'invalid' || Buffer.byteLength(command.reason) <= 123)
    }
    fc.assert(fc.property(frames, fc.boolean(), isCommand), { numRuns: 1000 })
    for (const data of hostile) t.ok(isCommand(data, false), data.toString('utf8', 0, 40))
  })

  t.test('a command without an id gets no reply', async (t) => {
    const silent: CommandWithReply[] = [
      { kind: 'event', name: 'e', data: 1, id: undefined },
      { kind: 'join', group: 'g', id: undefined },
      { kind: 'leave', group: 'g', id: undefined },
      { kind: 'send', group: 'g', payload: { kind: 'text', data: '' }, isEchoed: true, id: undefined }
    ]
    for (const command of silent) {
      t.equal(protocol.encodeResult(command, { ok: true }), null)
      t.equal(protocol.encodeResult(command, { ok: false, error: { code: 'HUB_FORBIDDEN', message: 'no' } }), null)
    }
  })
}

function dataOf ({ kind, data }: Payload): string | Buffer {
  return kind === 'binary' ? Buffer.from(data) : data
}

function isSame (received: Array<string | Buffer>, expected: Array<string | Buffer>): boolean {
  return received.length === expected.length && received.every((one, index) => {
    const other = expected[index]
    return typeof one === 'string' ? one === other : typeof other === 'object' && one.equals(other)
  })
}

/** A text after the conversion to UTF-8: a lone surrogate becomes U+FFFD. */
export function asUtf8 (text: string): string {
  return Buffer.from(text).toString()
}
