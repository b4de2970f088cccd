// RFC 6455 against the listening server of the hub: valid frames, invalid frames, invalid handshakes. After every case
// the hub still serves a second client. The server runs in this process, so that a crash of the server ends the test.

import { setImmediate } from 'node:timers/promises'
import { type Test, test } from 'tap'
import { ECHO, GREETING, listen } from '../support/helper.ts'
import { frame, type FrameOptions, handshake, type HandshakeOptions, OPCODE, type RawClient, rawConnect, rawRequest } from '../support/raw-client.ts'

const MAX_BYTES = 65535
const MAX_FRAGMENTS = 16384
/** No limits of messages and upgrades per second: all cases come from one address. */
const UNLIMITED = { websocket: { messagesPerSecond: 0, upgradesPerSecond: 0 } }
interface Answer { opcode: number, payload: Buffer }
type Expected = Answer | { close: number }
/**
 * Section of RFC 6455, behaviour of the hub, bytes (an array: one write each), and all answers of the hub. Without a
 * Close among the answers the connection stays open.
 */
type Case = readonly [section: string, title: string, bytes: Buffer | Buffer[], answers: Expected[]]

const { continuation, text, binary, close, ping, pong } = OPCODE
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex')
const code = (value: number, reason: Buffer | string = ''): Buffer => Buffer.concat([Buffer.of(value >> 8, value & 255), Buffer.from(reason)])
const part = (opcode: number, payload: Buffer | string, options: Partial<FrameOptions> = {}): Buffer => frame({ opcode, payload, fin: false, ...options })
const whole = (opcode: number, payload: Buffer | string = '', options: Partial<FrameOptions> = {}): Buffer => frame({ opcode, payload, ...options })
const run = (...frames: Buffer[]): Buffer => Buffer.concat(frames)
const echo = (payload: Buffer | string, opcode: number = text): Answer => ({ opcode, payload: run(Buffer.from(ECHO), Buffer.from(payload)) })
const ponged = (payload: Buffer | string): Answer => ({ opcode: pong, payload: Buffer.from(payload) })
/** A text in `count` fragments: one byte, then `rest` in each further fragment. */
const shredded = (count: number, rest: string): Buffer =>
  run(part(text, 'a'), ...Array.from({ length: count - 2 }, () => part(continuation, rest)), whole(continuation, rest))

/** One write for each byte. */
const bytewise = (whole: Buffer): Buffer[] => [...whole].map((byte) => Buffer.of(byte))

const LENGTHS: Case[] = [0, 1, 125, 126, 127, 128, 65534, MAX_BYTES].flatMap((size) => [
  ['5.2', `echoes a text of ${size} bytes`, whole(text, 'a'.repeat(size)), [echo('a'.repeat(size))]],
  ['5.2', `echoes ${size} binary bytes`, whole(binary, Buffer.alloc(size, 0xfe)), [echo(Buffer.alloc(size, 0xfe), binary)]]
])

const ENCODINGS: Case[] = [
  ['5.7', 'unmasks the example of the RFC', bytes('818537fa213d7f9f4d5158'), [echo('Hello')]],
  ['5.3', 'accepts a masking key of zeros', whole(text, 'zero', { mask: Buffer.alloc(4) }), [echo('zero')]],
  // A sender must use the shortest form. A receiver may accept the longer forms.
  ...([[0, 16], [5, 16], [5, 64], [126, 64]] as const).map(([size, bits]): Case =>
    ['5.2', `reads ${size} bytes announced in ${bits} bits`, whole(text, 'a'.repeat(size), { length: { bits } }), [echo('a'.repeat(size))]]),
  ...[2n ** 63n, 2n ** 64n - 1n, 2n ** 63n + 5n, 2n ** 53n, 2n ** 32n].map((claim): Case =>
    ['5.2', `refuses a length of ${claim} without waiting for it`, whole(text, 'hello', { length: { bits: 64, claim } }), [{ close: 1009 }]]),
  ['5.2', 'assembles a frame that arrives byte by byte', bytewise(whole(text, 'slow'.repeat(40))),
    [echo('slow'.repeat(40))]],
  ['5.2', 'assembles a ping and a Close that arrive byte by byte',
    bytewise(run(whole(ping, 'p'), whole(close, code(1000)))), [ponged('p'), { close: 1000 }]],
  ['5.2', 'answers many messages of one packet in their order', run(...[...'0123456789'].map((n) => whole(text, n))), [...'0123456789'].map((n) => echo(n))],
  ...Object.entries({ text, binary, ping, pong, Close: close }).map(([name, opcode]): Case =>
    ['5.1', `refuses an unmasked ${name}`, whole(opcode, 'bare', { masked: false }), [{ close: 1002 }]]),
  ['5.1', 'refuses an unmasked continuation', run(part(text, 'a'), whole(continuation, 'b', { masked: false })), [{ close: 1002 }]],
  ['5.1', 'sends no frame after the Close that refuses a frame',
    run(whole(text, 'good'), bytes('ff'), whole(text, 'late')), [echo('good'), { close: 1002 }]]
]

const RESERVED: Case[] = [
  ...[1, 2, 4, 7].map((rsv): Case => ['5.2', `refuses a text with reserved bits ${rsv}`, whole(text, 'rsv', { rsv }), [{ close: 1002 }]]),
  ...[1, 2, 4, 7].map((rsv): Case => ['5.2', `refuses a ping with reserved bits ${rsv}`, whole(ping, 'rsv', { rsv }), [{ close: 1002 }]]),
  ['5.2', 'refuses a continuation with RSV1', run(part(text, 'a'), whole(continuation, 'b', { rsv: 4 })), [{ close: 1002 }]],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): Case => ['5.2', `refuses opcode ${opcode}`, whole(opcode, 'what'), [{ close: 1002 }]]),
  ['5.2', 'refuses a reserved opcode inside a fragmented message', run(part(text, 'a'), whole(3, ''), whole(continuation, 'b')), [{ close: 1002 }]]
]

const CONTROL: Case[] = [
  ...['', 'p'.repeat(125), '\u0000\u00ff'].map((body): Case =>
    ['5.5.2', `answers a ping of ${Buffer.byteLength(body)} bytes with the same bytes`, whole(ping, body), [ponged(body)]]),
  ['5.5.2', 'answers 10 pings in their order', run(...[...'0123456789'].map((n) => whole(ping, n))), [...'0123456789'].map(ponged)],
  ['5.5.3', 'accepts unsolicited pongs', run(whole(pong, 'unasked'), whole(pong), whole(ping, 'still')),
    [ponged('still')]],
  ...Object.entries({ ping, pong, Close: close }).map(([name, opcode]): Case =>
    ['5.5', `refuses a ${name} of 126 bytes`, whole(opcode, run(code(1000), Buffer.alloc(124, 'c'))), [{ close: 1002 }]]),
  ['5.5', 'refuses a ping of 5 bytes announced in 16 bits', whole(ping, 'hello', { length: { bits: 16 } }), [{ close: 1002 }]],
  ...Object.entries({ ping, pong, Close: close }).map(([name, opcode]): Case =>
    ['5.5', `refuses a fragmented ${name}`, run(part(opcode, ''), whole(continuation, '')), [{ close: 1002 }]])
]

const FRAGMENTS: Case[] = [
  ['5.4', 'joins three fragments', run(part(text, 'a'), part(continuation, 'b'), whole(continuation, 'c')), [echo('abc')]],
  ['5.4', 'joins binary fragments in separate packets', [part(binary, 'a'), part(continuation, 'b'), whole(continuation, 'c')], [echo('abc', binary)]],
  ['5.4', 'joins empty fragments to an empty text', run(part(text, ''), part(continuation, ''), whole(continuation, '')), [echo('')]],
  ['5.4', 'answers a ping between two fragments at once', run(part(text, 'a'), whole(ping, 'now'), whole(continuation, 'b')), [ponged('now'), echo('ab')]],
  ['5.4', 'accepts a pong between two fragments', run(part(text, 'a'), whole(pong), whole(continuation, 'b')),
    [echo('ab')]],
  ['5.5.1', 'answers a Close between two fragments',
    run(part(text, 'a'), whole(close, code(1000)), whole(continuation, 'b')), [{ close: 1000 }]],
  ['5.4', 'refuses a final continuation without a message', whole(continuation, 'lost'), [{ close: 1002 }]],
  ['5.4', 'refuses a continuation after the message was complete', run(part(text, 'a'), whole(continuation, 'b'), whole(continuation, 'c')), [echo('ab'), { close: 1002 }]],
  ['5.4', 'refuses a new text inside a fragmented message', run(part(text, 'a'), whole(text, 'b')), [{ close: 1002 }]],
  ['5.4', 'refuses a new fragmented message inside another', run(part(text, 'a'), part(binary, 'b')), [{ close: 1002 }]]
]

const LIMITS: Case[] = [
  ['10.4', 'refuses a text of one byte too many', whole(text, 'a'.repeat(MAX_BYTES + 1)), [{ close: 1009 }]],
  ['10.4', 'refuses one binary byte too many', whole(binary, Buffer.alloc(MAX_BYTES + 1)), [{ close: 1009 }]],
  ['10.4', 'accepts the largest message in fragments',
    run(part(text, 'a'.repeat(40000)), whole(continuation, 'a'.repeat(MAX_BYTES - 40000))),
    [echo('a'.repeat(MAX_BYTES))]],
  ['10.4', 'refuses fragments that are one byte too many together', run(part(text, 'a'.repeat(40000)), whole(continuation, 'a'.repeat(MAX_BYTES + 1 - 40000))), [{ close: 1009 }]],
  ['10.4', 'accepts the largest number of fragments', shredded(MAX_FRAGMENTS, 'a'), [echo('a'.repeat(MAX_FRAGMENTS))]],
  ['10.4', 'refuses one fragment too many', shredded(MAX_FRAGMENTS + 1, 'a'), [{ close: 1008 }]],
  ['10.4', 'counts empty fragments', shredded(MAX_FRAGMENTS + 1, ''), [{ close: 1008 }]]
]

/** A Greek word. */
const WORD = bytes('cebae1bdb9cf83cebcceb5')
const UTF8: Case[] = [
  ['8.1', 'echoes Greek', whole(text, WORD), [echo(WORD)]],
  ...['00', '7f', 'c280', 'dfbf', 'e0a080', 'ed9fbf', 'ee8080', 'efbfbf', 'f0908080', 'f48fbfbf'].map((hex): Case =>
    ['8.1', `echoes the edge of UTF-8 ${hex}`, whole(text, bytes(hex)), [echo(bytes(hex))]]),
  ['5.6', 'joins a character that is split across fragments', run(part(text, bytes('f09f')), whole(continuation, bytes('9880'))), [echo('😀')]],
  ['5.6', 'accepts invalid UTF-8 in a binary message', whole(binary, bytes('fffec080eda080')),
    [echo(bytes('fffec080eda080'), binary)]],
  ...Object.entries({
    80: 'a lone continuation byte', c3: 'a character that is cut off', f09f98: 'an emoji that is cut off', c328: 'a wrong second byte', fe: 'a byte that never occurs',
    ff: 'another such byte', eda080: 'a high surrogate', edbfbf: 'a low surrogate', eda0bdedb880: 'a surrogate pair', c080: 'an overlong NUL',
    c1bf: 'an overlong 2-byte form', e08080: 'an overlong 3-byte form', f0808080: 'an overlong 4-byte form', f4908080: 'a code point above U+10FFFF',
    f5808080: 'a first byte above f4', f888808080: 'a 5-byte form', fc8480808080: 'a 6-byte form'
  }).map(([hex, what]): Case => ['8.1', `refuses ${what} (${hex})`, whole(text, run(WORD, bytes(hex))), [{ close: 1007 }]]),
  ['8.1', 'refuses a surrogate that is split across fragments', run(part(text, bytes('ed')), whole(continuation, bytes('a080'))), [{ close: 1007 }]],
  ['8.1', 'refuses a fragmented text that is cut off', run(part(text, WORD), whole(continuation, bytes('e2'))), [{ close: 1007 }]],
  ['5.5.1', 'refuses a Close whose reason is invalid UTF-8', whole(close, code(1000, bytes('ceba80'))),
    [{ close: 1007 }]]
]

const CLOSING: Case[] = [
  ['5.5.1', 'answers a Close without a body with a Close without a body', whole(close), [{ close: 1005 }]],
  ['5.5.1', 'refuses a Close body of one byte', whole(close, 'x'), [{ close: 1002 }]],
  ['5.5.1', 'accepts a Close body of 125 bytes', whole(close, code(1000, 'r'.repeat(123))), [{ close: 1000 }]],
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999].map((value): Case =>
    ['7.4', `answers a Close of code ${value} with the same code`, whole(close, code(value, 'bye')),
      [{ close: value }]]),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535].map((value): Case =>
    ['7.4', `refuses a Close of code ${value}`, whole(close, code(value, 'bye')), [{ close: 1002 }]]),
  ...[whole(text, 'late'), whole(ping, 'late'), whole(close, code(1001)), bytes('ffffffff')].map((late): Case =>
    ['5.5.1', `ignores bytes after the Close: ${late.toString('hex')}`, run(whole(close, code(1000)), late),
      [{ close: 1000 }]]),
  ['5.5.1', 'answers a text before the Close, then closes', run(whole(text, 'last'), whole(close, code(1000))),
    [echo('last'), { close: 1000 }]]
]

/** Refused handshakes: section, mistake, options that make the mistake, and status of the response. */
const REFUSED: readonly (readonly [section: string, title: string, options: HandshakeOptions, status: number | string])[] = [
  ...[null, '0', '7', '8', '12', '14', '256', '-13', 'x', ['13', '13']].map((version) =>
    ['4.4', `version ${String(version ?? 'missing')}`, { headers: { 'Sec-WebSocket-Version': version } }, 426] as const),
  ...Object.entries({
    'no key': null, 'an empty key': '', 'a key of 15 bytes': 'A'.repeat(20), 'a key of 17 bytes': `${'A'.repeat(23)}=`,
    'a key that is invalid base64': `${'!'.repeat(22)}==`, 'two keys': Array<string>(2).fill(`${'A'.repeat(22)}==`)
  }).map(([title, key]) => ['11.3.1', title, { headers: { 'Sec-WebSocket-Key': key } }, 400] as const),
  ['4.1', 'POST', { method: 'POST' }, 405],
  ['4.1', 'HEAD', { method: 'HEAD' }, 404],
  ['4.2.1', 'HTTP/1.0', { version: 'HTTP/1.0' }, 400],
  ['4.1', 'the announcement of a body', { headers: { 'Content-Length': '5' } }, 400],
  ['4.1', 'the announcement of chunks', { headers: { 'Transfer-Encoding': 'chunked' } }, 400],
  ['4.2.1', 'no Host', { headers: { Host: null } }, 400],
  // A request without an offer of WebSocket is an ordinary request (RFC 9110 section 7.8). `Connection: close` makes it
  // the last request of its connection.
  ['4.2.1', 'no Upgrade', { headers: { Upgrade: null, Connection: 'close' } }, 426],
  ['4.2.1', 'no Connection: Upgrade', { headers: { Connection: 'close' } }, 426],
  ['4.2.1', 'Upgrade: websockets', { headers: { Upgrade: 'websockets', Connection: 'Upgrade, close' } }, 426],
  ['4.2.1', 'Upgrade: h2c', { headers: { Upgrade: 'h2c', Connection: 'Upgrade, close' } }, 426],
  ['4.2.1', 'two Upgrades', { headers: { Upgrade: ['websocket', 'websocket'], Connection: 'Upgrade, close' } }, 426],
  ['10.4', '2100 headers before Upgrade', { headers: { Connection: 'Upgrade, close', A: Array<string>(2100).fill(''), Upgrade: null, upgrade: 'websocket' } }, '426|431'], // From Node 22 on, Node itself refuses so many.
  ['10.4', 'a header of 100 KB', { headers: { 'X-Long': 'x'.repeat(100_000) } }, 431]
]

/** Unusual but valid handshakes: section, peculiarity, and options. */
const ACCEPTED: readonly (readonly [section: string, title: string, options: HandshakeOptions])[] = [
  ['4.2.1', 'Upgrade in capitals', { headers: { Upgrade: 'WEBSOCKET' } }],
  ['4.2.1', 'Connection with further options', { headers: { Connection: 'keep-alive, uPGRADE' } }],
  ['4.2.1', 'header names in small letters', { headers: { Upgrade: null, upgrade: 'websocket', Connection: null, connection: 'upgrade' } }],
  ['4.1', 'an empty body', { headers: { 'Content-Length': '0' } }],
  ['9.1', 'an unknown extension', { headers: { 'Sec-WebSocket-Extensions': 'x-unheard-of; __proto__=1' } }],
  ['11.3.2', 'two lines of extensions', { headers: { 'Sec-WebSocket-Extensions': ['constructor', 'toString; a="b"'] } }]
]

/**
 * Asserts that the next frame, apart from heartbeats, is a valid frame of a server (sections 5.1, 5.2) and the expected
 * frame. After a Close, only the end of the connection may follow (section 5.5.1).
 */
async function expectAnswer (t: Test, client: RawClient, expected: Expected): Promise<void> {
  let next = await client.next()
  while (next.opcode === ping) next = await client.next()
  const { opcode, payload, ...header } = next
  const lengthBits = payload.length < 126 ? 7 : payload.length < 65536 ? 16 : 64
  const right = { fin: true, rsv: 0, masked: false, lengthBits }
  if ('close' in expected) {
    // The limit of a message depends on its protocol, so the hub refuses the message, and waits for the peer's Close.
    if (expected.close === 1009) client.send(whole(close, code(1009)))
    const { code: closeCode } = opcode === close ? await client.closed() : { code: null }
    const found = { ...header, opcode, code: closeCode, unread: client.unread() }
    t.strictSame(found, { ...right, opcode: close, code: expected.close, unread: [] }, 'a Close as the last frame')
    return
  }
  // The assertion has only a part of the payload: a difference may be 65 KB.
  const shown = (bytes: Buffer) => ({ text: bytes.toString('utf8', 0, 80), bytes: bytes.length })
  const found = { ...header, opcode, ...shown(payload), isEqual: payload.equals(expected.payload) }
  const wanted = { ...right, opcode: expected.opcode, ...shown(expected.payload), isEqual: true }
  t.strictSame(found, wanted, 'the expected frame')
}

/** Asserts that the hub serves a client, and that no other frame is queued for the client. */
async function expectServed (t: Test, client: RawClient, words: string): Promise<void> {
  client.send(whole(text, words))
  await expectAnswer(t, client, echo(words))
}

test('RFC 6455', async (t) => {
  const { port, token } = await listen(t, UNLIMITED)

  /** Connects a client and consumes the greeting. The end of the test destroys the client. */
  async function connect (t: Test): Promise<RawClient> {
    const client = await rawConnect({ port, token })
    t.teardown(() => { client.destroy() })
    await expectAnswer(t, client, { opcode: text, payload: Buffer.from(GREETING) })
    return client
  }

  const healthy = await connect(t)

  /** Runs a subtest, and asserts afterwards that the healthy client is still served. */
  const hostile = (title: string, attack: (t: Test) => Promise<void>) => t.test(title, async (t) => {
    await attack(t)
    await expectServed(t, healthy, title)
  })

  for (const [section, title, written, answers] of [LENGTHS, ENCODINGS, RESERVED, CONTROL, FRAGMENTS, LIMITS, UTF8, CLOSING].flat()) {
    await hostile(`${title} (section ${section})`, async (t) => {
      const client = await connect(t)
      for (const packet of [written].flat()) {
        client.send(packet)
        // One turn of the shared event loop: the server reads this packet before the next write.
        await setImmediate()
      }
      for (const answer of answers) await expectAnswer(t, client, answer)
      if (answers.every((answer) => !('close' in answer))) await expectServed(t, client, 'still open')
    })
  }

  const last = whole(text, 'last')
  for (const [where, written] of Object.entries({ 'between frames': run(), 'within a frame': last.subarray(0, 7), 'between fragments': part(text, 'a'), 'behind a text': last })) {
    await hostile(`removes a client that ends with a FIN or an RST ${where} (section 7.2.1)`, async (t) => {
      for (const end of ['end', 'reset'] as const) {
        const client = await connect(t)
        client.send(written)
        client[end]()
        t.equal((await client.closed()).code, 1006, end)
      }
    })
  }

  for (const [section, title, options, status] of REFUSED) {
    await hostile(`refuses a handshake with ${title}: ${status}, and ends the connection (section ${section})`, async (t) => {
      const answer = await rawRequest(port, handshake({ token, ...options }), { until: 'end' })
      t.match(answer, new RegExp(`^HTTP/1\\.1 (${status}) `))
      if (section === '4.4') t.match(answer, /\r\nsec-websocket-version:.*\b13\b/i, 'names the supported version')
    })
  }

  for (const [section, title, options] of ACCEPTED) {
    await hostile(`accepts a handshake with ${title} (section ${section})`, async (t) => {
      const answer = await rawRequest(port, handshake({ token, ...options }))
      t.match(answer, /^HTTP\/1\.1 101 /)
      t.notMatch(answer, /\r\nsec-websocket-extensions:/i, 'accepts no extension')
    })
  }

  await hostile('sends the greeting first to a client that does not wait for the handshake response (section 4.1)', async (t) => {
    const answer = await rawRequest(port, run(Buffer.from(handshake({ token })), whole(text, 'early'), whole(close, code(1000))), { until: 'end' })
    t.match(answer, /^HTTP\/1\.1 101 /)
    t.ok(answer.indexOf(GREETING) > 0 && answer.indexOf(GREETING) < answer.indexOf(`${ECHO}early`), 'the greeting, then the echo')
  })
})
