import t from 'tap'
import type { Payload } from '../../../services/model/message.ts'
import { createDeflatingEncoder } from '../../../services/protocol/deflate.ts'
import { createRaw, raw } from '../../../services/protocol/raw.ts'
import { asUtf8, protocolSuite } from './protocol-suite.ts'
import { isCompressed, receive, receiveOne } from '../../support/ws-receiver.ts'

const GREETING = '{"code":2000,"msg":"ws连接成功","data":""}'

t.test('raw keeps the promises of a protocol', async (t) => {
  protocolSuite(t, {
    protocol: raw,
    receivedFrom: (bytes) => receive(bytes).map(({ data }) => data).filter((data) => typeof data !== 'string' || !data.startsWith('ping ')),
    expectedOf: ({ kind, data }) => kind === 'binary' ? Buffer.from(data) : asUtf8(data)
  })
})

t.test('raw messages are text, JSON as text, or binary, whether they come from the log or not', async (t) => {
  for (const encode of [(payload: Payload) => raw.encode({ payload, address: { all: true }, offset: 1 }), (payload: Payload) => raw.encodeReply(payload)]) {
    t.same(receive(encode({ kind: 'text', data: 'hello' })), [{ data: 'hello', isBinary: false }])
    t.same(receive(encode({ kind: 'json', data: '{"a":1}' })), [{ data: '{"a":1}', isBinary: false }])
    t.same(receive(encode({ kind: 'binary', data: Buffer.from([1, 2]) })), [{ data: Buffer.from([1, 2]), isBinary: true }])
  }
})

t.test('the greeting is the same bytes for all', async (t) => {
  const greeting = raw.encodeGreeting({ clientId: 'c1', user: 'alice', resumeToken: null })
  t.equal(raw.encodeGreeting({ clientId: 'c2', user: 'bob', resumeToken: 'secret' }), greeting)
  t.same(receive(greeting), [{ data: GREETING, isBinary: false }])
})

t.test('a client acknowledges by the pong to a ping with an offset, and cannot resume', async (t) => {
  t.match(raw, { name: 'raw', acknowledgedBy: 'pong', isResumable: false, pong: null })
  t.same(receive(raw.ping), [{ data: 'ping Server->Ping->Client', isBinary: false }])
  const { bytes, pong } = raw.encodeProbe(1763000000000001)
  t.equal(pong, 'Server->Ping->Client 1763000000000001')
  t.same(receive(bytes), [{ data: `ping ${pong}`, isBinary: false }])
  t.ok(Buffer.byteLength(raw.encodeProbe(Number.MAX_SAFE_INTEGER).pong) <= 125, 'fits into a control frame (RFC 6455 section 5.5)')
})

t.test('there is no gap notice and no close notice', async (t) => {
  t.equal(raw.encodeGap({ after: 1, upTo: 2, position: 2 }), null)
  t.equal(raw.encodeCloseNotice('restart'), null)
})

t.test('the reply to a call carries its name and id', async (t) => {
  const answer = (id: string | number | undefined, result: Parameters<typeof raw.encodeResult>[1]) => {
    return receive(raw.encodeResult({ kind: 'action', name: 'sum', data: [], id }, result) ?? Buffer.alloc(0))
  }
  t.same(answer(7, { ok: true, data: 3 }), [{ data: '{"action":"sum","id":7,"ok":true,"data":3}', isBinary: false }])
  t.same(answer(undefined, { ok: true }), [{ data: '{"action":"sum","ok":true}', isBinary: false }])
  t.same(answer('x', { ok: false, error: { code: 'HUB_NOT_FOUND', message: 'There is none.' } }),
    [{ data: '{"action":"sum","id":"x","ok":false,"error":{"code":"HUB_NOT_FOUND","message":"There is none."}}', isBinary: false }])
  t.equal(raw.encodeResult({ kind: 'join', group: 'g', id: 1 }, { ok: true }), null, 'a command of another protocol gets no reply')
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

t.test('messages and replies are compressed for clients that negotiated it', async (t) => {
  const deflated = createRaw(undefined, createDeflatingEncoder({ thresholdBytes: 100, level: 6 }))
  const text = 'x'.repeat(1000)
  const frame = deflated.encode({ payload: { kind: 'text', data: text }, address: { all: true }, offset: 1 })
  t.ok(isCompressed(frame))
  t.equal(await receiveOne(frame), text)
  t.ok(isCompressed(deflated.encodeResult({ kind: 'action', name: 'sum', data: [], id: 1 }, { ok: true, data: text }) ?? Buffer.alloc(1)))
})
