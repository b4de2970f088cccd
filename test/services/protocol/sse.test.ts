import fc from 'fast-check'
import t from 'tap'
import type { Payload } from '../../../services/model/message.ts'
import { createSse } from '../../../services/protocol/sse.ts'
import { asUtf8, payloads, protocolSuite, texts } from './protocol-suite.ts'

interface SentEvent {
  readonly type: string
  readonly data: string
  readonly lastEventId: string
}

/** An event stream interpreted as WHATWG HTML section 9.2.6 says, from its words and not from our encoder. */
class EventStream {
  readonly events: SentEvent[] = []
  reconnectionTime: number | undefined
  lastEventId = ''
  #type = ''
  #data = ''
  #id = ''

  constructor (bytes: Buffer) {
    // Section 9.2.5: lines end with CRLF, LF or CR; what is left after the last end is no line.
    const text = new TextDecoder().decode(bytes)
    let line = ''
    for (let at = 0; at < text.length; at++) {
      const char = text.charAt(at)
      if (char !== '\r' && char !== '\n') {
        line += char
        continue
      }
      if (char === '\r' && text.charAt(at + 1) === '\n') at++
      this.#take(line)
      line = ''
    }
  }

  #take (line: string): void {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) return
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line.charAt(colon + 1) === ' ' ? colon + 2 : colon + 1)
    if (field === 'event') this.#type = value
    else if (field === 'data') this.#data += `${value}\n`
    else if (field === 'id' && !value.includes('\0')) this.#id = value
    else if (field === 'retry' && /^[0-9]+$/.test(value)) this.reconnectionTime = Number(value)
  }

  #dispatch (): void {
    this.lastEventId = this.#id
    if (this.#data !== '') this.events.push({ type: this.#type === '' ? 'message' : this.#type, data: this.#data.slice(0, -1), lastEventId: this.lastEventId })
    this.#data = ''
    this.#type = ''
  }
}

const sse = createSse({ retryMs: 3000, random: () => 0.5 })
const encode = (payload: Payload, offset = 7) => sse.encode({ payload, address: { all: true }, offset })
const read = (bytes: Buffer | null) => new EventStream(bytes ?? Buffer.alloc(0))
const normalised = (text: string) => asUtf8(text).replace(/\r\n?/g, '\n')

t.test('sse keeps the promises of a protocol', async (t) => {
  protocolSuite(t, {
    protocol: sse,
    receivedFrom: (bytes) => read(bytes).events.filter(({ type }) => type !== 'position')
      .map(({ type, data }) => type === 'binary' ? Buffer.from(data, 'base64') : data),
    expectedOf: ({ kind, data }) => kind === 'binary' ? Buffer.from(data) : normalised(data)
  })
})

t.test('the client names the position, and sends nothing else', async (t) => {
  t.match(sse, { name: 'sse', acknowledgedBy: 'position', isResumable: false, pong: null })
  t.same(sse.decode(Buffer.from('{"type":"ping"}'), false, new Set()), { kind: 'ignored' })
  t.equal(sse.encodeResult({ kind: 'action', name: 'a', data: 1, id: 1 }, { ok: true }), null)
})

t.test('events are byte for byte what they should be', async (t) => {
  t.equal(sse.encodeGreeting({ clientId: 'c', user: 'bob', resumeToken: null }).toString(), 'retry: 4500\n: connected\n')
  t.equal(sse.ping.toString(), ':\n')
  t.equal(encode({ kind: 'text', data: 'hello' }).toString(), 'id: 7\ndata: hello\n\n')
  t.equal(encode({ kind: 'text', data: '' }).toString(), 'id: 7\ndata: \n\n')
  t.equal(encode({ kind: 'text', data: 'a\nb' }).toString(), 'id: 7\ndata: a\ndata: b\n\n')
  t.equal(encode({ kind: 'json', data: '{"k":1}' }).toString(), 'id: 7\ndata: {"k":1}\n\n')
  t.equal(encode({ kind: 'binary', data: new Uint8Array([9, 1, 2, 3]).subarray(1) }).toString(), 'id: 7\nevent: binary\ndata: AQID\n\n')
  t.equal(sse.encodeReply({ kind: 'text', data: 'hello' }).toString(), 'data: hello\n\n')
  t.equal(sse.encodeGap({ after: 5, upTo: 8, position: 7 })?.toString(), 'event: gap\nid: 7\ndata: {"after":5,"upTo":8}\n\n')
  t.equal(sse.encodeCloseNotice('service restart')?.toString(), 'event: goodbye\nretry: 4500\ndata: service restart\n\n')
  t.equal(sse.encodeProbe(9).bytes.toString(), 'event: position\nid: 9\ndata: 9\n\n')
})

t.test('a greeting and a ping set the retry time, and raise no event', async (t) => {
  const greeting = sse.encodeGreeting({ clientId: 'c', user: 'bob', resumeToken: 'secret' })
  const stream = read(Buffer.concat([greeting, sse.ping, sse.ping]))
  t.equal(stream.reconnectionTime, 4500)
  t.same(stream.events, [])
})

t.test('a text cannot get out of its data, and keeps its leading spaces', async (t) => {
  const cases: Array<[text: string, received: string]> = [
    [' a', ' a'], ['  a', '  a'], ['\n a', '\n a'], ['a\r\nb', 'a\nb'], ['a\rb', 'a\nb'], ['a\n\nb', 'a\n\nb'], ['\n', '\n'], ['\r\r\n\n', '\n\n\n'], ['a\n', 'a\n'],
    ['x\n\nevent: evil\nid: 99\ndata: y', 'x\n\nevent: evil\nid: 99\ndata: y'], ['x\rid: 99\rretry: 1', 'x\nid: 99\nretry: 1'], ['a\u2028b\u2029c\u0085d\u000be', 'a\u2028b\u2029c\u0085d\u000be'],
    [': x', ': x'], ['data: x', 'data: x'], ['\0', '\0'], ['\ufeffx', '\ufeffx'], ['\t', '\t']
  ]
  for (const [text, received] of cases) {
    const { events, reconnectionTime } = read(encode({ kind: 'text', data: text }))
    t.same(events, [{ type: 'message', data: received, lastEventId: '7' }], encodeURIComponent(text))
    t.equal(reconnectionTime, undefined)
  }
})

t.test('every event has its type and position, whatever is in it', async () => {
  fc.assert(fc.property(payloads, fc.maxSafeInteger().map(Math.abs), (payload, offset) => {
    const { events: [event, ...others], lastEventId } = read(encode(payload, offset))
    return others.length === 0 && event?.type === (payload.kind === 'binary' ? 'binary' : 'message') && lastEventId === String(offset)
  }))
  fc.assert(fc.property(texts, (reason) => {
    const { events: [event, ...others] } = read(sse.encodeCloseNotice(reason))
    return others.length === 0 && event?.type === 'goodbye' && event.data === normalised(reason)
  }))
})

t.test('the position moves with messages, gap notices and probes', async (t) => {
  const stream = (...parts: Array<Buffer | null>) => read(Buffer.concat(parts.map((part) => part ?? Buffer.alloc(0))))
  const message = encode({ kind: 'text', data: 'a' }, 5)
  t.equal(stream(message, sse.encodeReply({ kind: 'text', data: 'b' }), sse.ping).lastEventId, '5', 'a message outside the log leaves the position alone')
  t.equal(stream(message, sse.encodeGap({ after: 7, upTo: 9, position: 9 })).lastEventId, '9')
  const moved = stream(message, sse.encodeProbe(12).bytes)
  t.equal(moved.lastEventId, '12')
  t.same(moved.events.map(({ type }) => type), ['message', 'position'], 'without a message for the application')
})

t.test('no block is without data, because many parsers take such a block for an empty message', async (t) => {
  const sent = [
    sse.encodeGreeting({ clientId: 'c', user: 'bob', resumeToken: null }), sse.ping, sse.encodeProbe(3).bytes, sse.ping,
    encode({ kind: 'text', data: 'a\n\nb' }), sse.encodeReply({ kind: 'text', data: 'c' }), sse.ping,
    sse.encodeGap({ after: 7, upTo: 9, position: 9 }), sse.encodeCloseNotice('service restart')
  ]
  const blocks = Buffer.concat(sent.map((bytes) => bytes ?? Buffer.alloc(0))).toString().split('\n\n')
  t.equal(blocks.pop(), '', 'the stream ends with a complete block')
  t.same(blocks.filter((block) => !/^data: ./m.test(block)), [])
  t.equal(blocks.length, 5)
})
