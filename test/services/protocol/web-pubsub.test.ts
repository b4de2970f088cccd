import { WebPubSubJsonProtocol, WebPubSubJsonReliableProtocol } from '@azure/web-pubsub-client'
import fc from 'fast-check'
import t from 'tap'
import { createDeflatingEncoder } from '../../../services/protocol/deflate.ts'
import type { CommandResult, Protocol } from '../../../services/protocol/protocol.ts'
import { createWebPubSub, webPubSub, WEB_PUBSUB_SUBPROTOCOLS } from '../../../services/protocol/web-pubsub.ts'
import { payloads, protocolSuite } from './protocol-suite.ts'
import { isCompressed, receive, receiveOne } from '../../support/ws-receiver.ts'

const reliable = byName('json.reliable.webpubsub.azure.v1')
const plain = byName('json.webpubsub.azure.v1')
const actions = new Set<string>()

function byName (name: string): Protocol {
  const protocol = webPubSub.get(name)
  if (protocol === undefined) throw new Error(`there is no ${name}`)
  return protocol
}

function decode (request: unknown, protocol = reliable) {
  return protocol.decode(Buffer.from(typeof request === 'string' ? request : JSON.stringify(request)), false, actions)
}

/** The texts of all text frames in some bytes. */
function texts (bytes: Buffer | null): string[] {
  return receive(bytes ?? Buffer.alloc(0)).filter(({ data, isBinary }) => !isBinary && !data.toString().startsWith('ping ')).map(({ data }) => data.toString())
}

for (const protocol of webPubSub.values()) {
  t.test(`${protocol.name} keeps the promises of a protocol`, async (t) => {
    protocolSuite(t, {
      protocol,
      receivedFrom: (bytes) => texts(bytes).map((text) => {
        const { dataType, data } = JSON.parse(text) as { dataType: string, data: unknown }
        if (dataType === 'binary') return Buffer.from(String(data), 'base64')
        return dataType === 'text' ? String(data) : JSON.stringify(data)
      })
    })
  })
}

t.test('two subprotocols, each under a name that clients know and one of our own', async (t) => {
  t.same(WEB_PUBSUB_SUBPROTOCOLS, ['json.reliable.webpubsub.azure.v1', 'json.webpubsub.azure.v1', 'json.reliable.hub.v1', 'json.hub.v1'])
  for (const [name, protocol] of webPubSub) {
    t.equal(protocol.name, name)
    t.match(protocol, name.includes('reliable') ? { acknowledgedBy: 'command', isResumable: true } : { acknowledgedBy: 'pong', isResumable: false })
    t.equal(protocol.encodeProbe(17).pong, 'Server->Ping->Client 17')
    t.same(receive(protocol.encodeProbe(17).bytes), [{ data: 'ping Server->Ping->Client 17', isBinary: false }])
  }
})

t.test('every message to a client is byte for byte that of the published subprotocol', async (t) => {
  t.same(texts(plain.encodeGreeting({ clientId: 'c-9f', user: 'bob', resumeToken: null })), ['{"type":"system","event":"connected","connectionId":"c-9f","userId":"bob"}'])
  t.same(texts(reliable.encodeGreeting({ clientId: 'c-9f', user: 'bob', resumeToken: 'opaque' })), ['{"type":"system","event":"connected","connectionId":"c-9f","userId":"bob","reconnectionToken":"opaque"}'])
  t.same(texts(plain.encode({ payload: { kind: 'text', data: 'Hello World' }, address: { all: true }, offset: 1 })), ['{"type":"message","from":"server","dataType":"text","data":"Hello World"}'])
  t.same(texts(plain.encode({ payload: { kind: 'json', data: '{"k":1}' }, address: { group: 'g1' }, from: 'bob', offset: 1 })), ['{"type":"message","from":"group","group":"g1","dataType":"json","data":{"k":1},"fromUserId":"bob"}'])
  t.same(texts(reliable.encode({ payload: { kind: 'json', data: '{"k":1}' }, address: { user: 'bob' }, from: 'alice', offset: 1700000000124 })), ['{"sequenceId":1700000000124,"type":"message","from":"server","dataType":"json","data":{"k":1}}'])
  t.same(texts(reliable.encode({ payload: { kind: 'binary', data: new Uint8Array([1, 2, 3]) }, address: { group: 'g1' }, from: 'bob', offset: 1700000000125 })), ['{"sequenceId":1700000000125,"type":"message","from":"group","group":"g1","dataType":"binary","data":"AQID","fromUserId":"bob"}'])
  t.same(texts(reliable.encode({ payload: { kind: 'text', data: '' }, address: { group: 'g1' }, offset: 3 })), ['{"sequenceId":3,"type":"message","from":"group","group":"g1","dataType":"text","data":""}'])
  t.same(texts(reliable.encode({ payload: { kind: 'text', data: 'x' }, address: { client: 'c1' }, offset: 3 })), ['{"sequenceId":3,"type":"message","from":"server","dataType":"text","data":"x"}'])
  t.same(texts(reliable.encodeReply({ kind: 'text', data: 'x' })), ['{"type":"message","from":"server","dataType":"text","data":"x"}'], 'a message outside the log cannot be acknowledged')
  t.same(texts(reliable.pong), ['{"type":"pong"}'])
  t.same(texts(reliable.encodeCloseNotice('Service reload')), ['{"type":"system","event":"disconnected","message":"Service reload"}'])
  t.equal(reliable.encodeGap({ after: 17, upTo: 18, position: 18 }), null)
})

t.test('a part of a larger buffer goes out alone', async (t) => {
  const part = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4)
  t.same(texts(plain.encodeReply({ kind: 'binary', data: part })), ['{"type":"message","from":"server","dataType":"binary","data":"AQID"}'])
})

t.test('every request of the published subprotocol is understood', async (t) => {
  t.same(decode('{"type":"joinGroup","group":"g1","ackId":1}'), { kind: 'join', group: 'g1', id: 1 })
  t.same(decode('{"type":"leaveGroup","group":"g1","ackId":2}'), { kind: 'leave', group: 'g1', id: 2 })
  t.same(decode('{"type":"sendToGroup","group":"g1","ackId":3,"noEcho":false,"dataType":"json","data":{"any":"json value"}}'), { kind: 'send', group: 'g1', payload: { kind: 'json', data: '{"any":"json value"}' }, isEchoed: true, id: 3 })
  t.same(decode('{"type":"sendToGroup","group":"g1","noEcho":true,"data":"a"}'), { kind: 'send', group: 'g1', payload: { kind: 'json', data: '"a"' }, isEchoed: false, id: undefined }, 'JSON without a dataType')
  t.same(decode('{"type":"sendToGroup","group":"g1","dataType":"text","data":"a"}'), { kind: 'send', group: 'g1', payload: { kind: 'text', data: 'a' }, isEchoed: true, id: undefined })
  t.same(decode('{"type":"sendToGroup","group":"g1","dataType":"binary","data":"AQI="}'), { kind: 'send', group: 'g1', payload: { kind: 'binary', data: Buffer.from([1, 2]) }, isEchoed: true, id: undefined })
  t.same(decode('{"type":"event","event":"name","ackId":4,"dataType":"text","data":"string"}'), { kind: 'event', name: 'name', data: 'string', bytes: 6, id: 4 })
  t.same(decode('{"type":"event","event":"name","dataType":"binary","data":""}'), { kind: 'event', name: 'name', data: Buffer.alloc(0), bytes: 0, id: undefined })
  t.same(decode('{"type":"event","event":"name"}'), { kind: 'event', name: 'name', data: undefined, bytes: 0, id: undefined })
  t.same(decode('{"type":"invoke","invocationId":"1","target":"event","event":"sum","dataType":"json","data":{}}'), { kind: 'action', name: 'sum', data: {}, bytes: 2, id: '1' })
  t.same(decode('{"type":"cancelInvocation","invocationId":"1"}'), { kind: 'ignored' })
  t.same(decode('{"type":"ping"}'), { kind: 'ping' })
})

t.test('variants of published clients are understood', async (t) => {
  t.same(decode('{"type":"sendToGroup","group":"g1","ackId":3,"noEcho":false,"dataType":"Text","data":"a"}'), { kind: 'send', group: 'g1', payload: { kind: 'text', data: 'a' }, isEchoed: true, id: 3 }, '.NET names data types with a capital')
  t.same(decode('{"type":"joinGroup","group":"g1","ackId":null}'), { kind: 'join', group: 'g1', id: undefined }, 'null for what is left out')
  t.same(decode('{"type":"sendToGroup","group":"g1","ackId":null,"noEcho":null,"dataType":null,"data":null}'), { kind: 'send', group: 'g1', payload: { kind: 'json', data: 'null' }, isEchoed: true, id: undefined })
})

t.test('messages are acknowledged in the reliable subprotocol alone', async (t) => {
  t.same(decode('{"type":"sequenceAck","sequenceId":1700000000123}'), { kind: 'acknowledge', offset: 1700000000123 })
  t.same(decode('{"type":"sequenceAck","sequenceId":"1700000000123"}'), { kind: 'acknowledge', offset: 1700000000123 })
  t.same(decode('{"type":"sequenceAck","sequenceId":1700000000123}', plain), { kind: 'ignored' })
  for (const sequenceId of [-1, 1.5, 2 ** 53, '9007199254740992', '-1', '1e3', '', ' 1', null, [1], true]) {
    t.equal(decode({ type: 'sequenceAck', sequenceId }).kind, 'refused', JSON.stringify(sequenceId))
  }
})

t.test('a request of another shape is refused, and its data is not repeated', async (t) => {
  const SECRET = 'swordfish'
  const good: Record<string, Record<string, unknown>> = {
    joinGroup: { group: 'g', ackId: 1 },
    leaveGroup: { group: 'g', ackId: 1 },
    sendToGroup: { group: 'g', ackId: 1, noEcho: true, dataType: 'text', data: 'x' },
    event: { event: 'e', ackId: 1, dataType: 'text', data: 'x' },
    invoke: { invocationId: '1', target: 'event', event: 'e', dataType: 'text', data: 'x' }
  }
  const bad: Record<string, unknown[]> = {
    group: [undefined, null, '', 'x'.repeat(257), 1, [SECRET], { [SECRET]: 1 }],
    ackId: [-1, 1.5, 2 ** 53, SECRET, '1', [1], {}, true],
    noEcho: [SECRET, 0, {}],
    dataType: ['protobuf', SECRET, 1, [], {}],
    data: [undefined, null, 1, { [SECRET]: SECRET }],
    event: [undefined, null, 1, [SECRET], {}],
    invocationId: [undefined, null, '', 'x'.repeat(257), 1, [SECRET]],
    target: [undefined, SECRET, 'upstream', 1]
  }
  for (const [type, request] of Object.entries(good)) {
    t.not(decode({ type, ...request }).kind, 'refused', type)
    for (const field of Object.keys(request)) {
      for (const value of bad[field] ?? []) {
        const command = decode({ type, ...request, [field]: value })
        t.match(command, { kind: 'refused', error: { message: new RegExp(`"${field}"`) } }, `${type} ${field} ${JSON.stringify(value)}`)
        t.notMatch(JSON.stringify(command), SECRET)
      }
    }
  }
  for (const data of ['AQI', 'AQI=\n', 'AQJ=', '_-A=', '!', SECRET, 1, null, ['AQI=']]) {
    t.match(decode({ type: 'event', event: 'e', dataType: 'binary', data }), { kind: 'refused', error: { message: /base64/ } }, JSON.stringify(data))
  }
  t.match(decode({ type: 'sendToGroup', group: 'g', dataType: 'protobuf', data: 'AQID' }), { kind: 'refused', error: { message: /protobuf is not supported/ } })
  t.match(decode({ type: 'sendToGroup', group: 'g', noEcho: false, stream: { streamId: SECRET } }), { kind: 'refused', target: { kind: 'stream', id: SECRET } })
  t.match(decode({ type: 'sendToGroup', group: 'g' }), { kind: 'refused', target: null, error: { message: /"data" is missing/ } })
  for (const type of ['connected', SECRET, 'toString', '__proto__', '', 1, null, ['ping']]) {
    t.match(decode({ type, ackId: 1 }), { kind: 'refused', target: { id: 1 }, error: { message: 'There is no request of this "type".' } }, JSON.stringify(type))
  }
  for (const text of ['', SECRET, '{', '{"type":"ping"}{"type":"ping"}', '{"type":"ping"}\n{"type":"ping"}']) {
    t.same(decode(text), { kind: 'invalid', reason: 'A frame must be one JSON object with a "type".' }, text)
  }
  for (const text of ['1', 'null', '"ping"', '[]', '[{"type":"ping"}]', '{}', '{"type":"ping","__proto__":{"a":1}}', '{"type":"event","event":"e","data":{"a":{"\\u005f_proto__":{}}}}', '{"type":"event","event":"e","data":{"constructor":{"prototype":{}}}}']) {
    t.match(decode(text), { kind: 'refused', target: null, error: { message: /^A request must be a JSON object/ } }, text)
  }
  t.match(reliable.decode(Buffer.from('{"type":"ping"}'), true, actions), { kind: 'invalid', reason: /text frames/ })
})

t.test('a request may nest its data 128 levels deep', async (t) => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  for (const depth of [129, 100_000]) {
    const refused = { kind: 'refused', target: { id: 7 }, error: { code: 'HUB_REQUEST_INVALID', message: /128 levels/ } }
    t.match(decode(`{"type":"sendToGroup","group":"g","ackId":7,"data":${nested(depth)}}`), refused)
    t.match(decode(`{"type":"event","event":"e","ackId":7,"data":${nested(depth)}}`), refused)
    t.match(decode(`{"type":"joinGroup","ackId":7,"group":${nested(depth)}}`), refused)
  }
  t.equal(decode(`{"type":"event","event":"e","data":${nested(128)}}`).kind, 'event')
})

t.test('JSON is published as the text that the frame has', async (t) => {
  for (const data of ['653247040368672768', '{"b":1e400,"a":-0.0}', '[ 1.00 ]', '"\\u0041\\ud800"', '{"data":1,"x":"},\\""}']) {
    for (const frame of [`{"type":"sendToGroup","group":"g","data":${data}}`, `{ "data" : ${data} , "group":"g","type":"sendToGroup"}`, `{"data":1,"d\\u0061ta":${data},"type":"sendToGroup","group":"g"}`]) {
      t.match(decode(frame), { kind: 'send', payload: { kind: 'json', data } }, frame)
    }
  }
})

t.test('a request is acknowledged when it has an ackId', async (t) => {
  const answer = (result: CommandResult, id: number | undefined = 3) => texts(reliable.encodeResult({ kind: 'join', group: 'g1', id }, result))
  t.same(answer({ ok: true }), ['{"type":"ack","ackId":3,"success":true}'])
  t.same(answer({ ok: true }, 0), ['{"type":"ack","ackId":0,"success":true}'])
  const names = { HUB_FORBIDDEN: 'Forbidden', HUB_DUPLICATE: 'Duplicate', HUB_NOT_FOUND: 'NotFound', HUB_ACTION_TIMEOUT: 'Timeout', HUB_REQUEST_INVALID: 'BadRequest', HUB_INTERNAL: 'InternalServerError', HUB_ANYTHING: 'InternalServerError', toString: 'toString' }
  for (const [code, name] of Object.entries(names)) {
    t.same(answer({ ok: false, error: { code, message: 'no "permission"' } }), [`{"type":"ack","ackId":3,"success":false,"error":{"name":"${name}","message":"no \\"permission\\""}}`])
  }
  t.same(texts(reliable.encodeResult({ kind: 'event', name: 'e', data: 1, id: 4 }, { ok: true, data: 'the result of an event is not for the client' })), ['{"type":"ack","ackId":4,"success":true}'])
})

t.test('the reply to an invocation carries the result of the action', async (t) => {
  const answer = (result: CommandResult) => texts(reliable.encodeResult({ kind: 'action', name: 'sum', data: {}, id: '1' }, result))
  t.same(answer({ ok: true, data: {} }), ['{"type":"invokeResponse","invocationId":"1","success":true,"dataType":"json","data":{}}'])
  t.same(answer({ ok: true, data: 0 }), ['{"type":"invokeResponse","invocationId":"1","success":true,"dataType":"json","data":0}'])
  t.same(answer({ ok: true }), ['{"type":"invokeResponse","invocationId":"1","success":true}'])
  t.same(answer({ ok: true, data: null }), ['{"type":"invokeResponse","invocationId":"1","success":true}'])
  t.same(answer({ ok: false, error: { code: 'HUB_NOT_FOUND', message: 'no handler' } }), ['{"type":"invokeResponse","invocationId":"1","success":false,"error":{"name":"NotFound","message":"no handler"}}'])
  t.same(answer({ ok: false, error: { code: 'HUB_INTERNAL', message: 'failed' } }), ['{"type":"invokeResponse","invocationId":"1","success":false,"error":{"name":"InvocationFailed","message":"failed"}}'])
})

t.test('the codec of the published client understands every frame of the hub', async (t) => {
  const codec = WebPubSubJsonReliableProtocol()
  const parse = (bytes: Buffer | null) => codec.parseMessages(texts(bytes).join())
  t.match(parse(reliable.encodeGreeting({ clientId: 'c', user: 'bob', resumeToken: 'opaque' })), { kind: 'connected', connectionId: 'c', userId: 'bob', reconnectionToken: 'opaque' })
  t.match(parse(reliable.encodeCloseNotice('restart')), { kind: 'disconnected', message: 'restart' })
  t.match(parse(reliable.pong), { kind: 'pong' })
  t.match(parse(reliable.encodeResult({ kind: 'join', group: 'g', id: 3 }, { ok: true })), { kind: 'ack', ackId: 3, success: true })
  t.match(parse(reliable.encodeResult({ kind: 'action', name: 'sum', data: 1, id: '1' }, { ok: true, data: [3] })), { kind: 'invokeResponse', invocationId: '1', success: true, dataType: 'json', data: [3] })
  t.match(parse(reliable.encodeResult({ kind: 'action', name: 'sum', data: 1, id: '1' }, { ok: true, data: null })), { kind: 'invokeResponse', invocationId: '1', success: true }, 'an answer without data reaches the caller')
  fc.assert(fc.property(payloads, fc.maxSafeInteger().filter((offset) => offset > 0), (payload, offset) => {
    const message = parse(reliable.encode({ payload, address: { group: 'g' }, from: 'bob', offset }))
    // The client drops JSON null.
    if (payload.data === 'null') return payload.kind === 'text' || message === null
    if (message === null || Array.isArray(message) || message.kind !== 'groupData') return false
    const { sequenceId, fromUserId, group, dataType, data } = message
    const isWhole = sequenceId === offset && fromUserId === 'bob' && group === 'g' && dataType === payload.kind
    if (payload.kind === 'binary') return isWhole && Buffer.from(data as ArrayBuffer).equals(payload.data)
    return isWhole && (payload.kind === 'text' ? data : JSON.stringify(data)) === payload.data
  }))
})

t.test('the hub understands every frame of the codec of the published client', async (t) => {
  for (const [protocol, codec] of [[reliable, WebPubSubJsonReliableProtocol()], [plain, WebPubSubJsonProtocol()]] as const) {
    const decoded = (message: Parameters<typeof codec.writeMessage>[0]) => decode(codec.writeMessage(message), protocol)
    t.same(decoded({ kind: 'joinGroup', group: 'g', ackId: 1 }), { kind: 'join', group: 'g', id: 1 })
    t.same(decoded({ kind: 'leaveGroup', group: 'g' }), { kind: 'leave', group: 'g', id: undefined })
    t.same(decoded({ kind: 'sendToGroup', group: 'g', dataType: 'binary', data: new Uint8Array([1, 2]).buffer, noEcho: true, ackId: 2 }), { kind: 'send', group: 'g', payload: { kind: 'binary', data: Buffer.from([1, 2]) }, isEchoed: false, id: 2 })
    t.same(decoded({ kind: 'sendEvent', event: 'e', dataType: 'json', data: { a: 1 } }), { kind: 'event', name: 'e', data: { a: 1 }, bytes: 7, id: undefined })
    t.same(decoded({ kind: 'invoke', invocationId: '1', target: 'event', event: 'e' }), { kind: 'action', name: 'e', data: undefined, bytes: 0, id: '1' })
    t.same(decoded({ kind: 'cancelInvocation', invocationId: '1' }), { kind: 'ignored' })
    t.same(decoded({ kind: 'ping' }), { kind: 'ping' })
    t.same(decoded({ kind: 'sequenceAck', sequenceId: 5 }), protocol === reliable ? { kind: 'acknowledge', offset: 5 } : { kind: 'ignored' })
  }
})

t.test('messages and replies are compressed for clients that negotiated it, the greeting with its secret never', async (t) => {
  const text = 'x'.repeat(1000)
  const deflated = createWebPubSub(createDeflatingEncoder({ thresholdBytes: 10, level: 6 }))
  t.same([...deflated.keys()], WEB_PUBSUB_SUBPROTOCOLS)
  for (const protocol of deflated.values()) {
    const frame = protocol.encode({ payload: { kind: 'text', data: text }, address: { all: true }, offset: 1 })
    t.ok(isCompressed(frame))
    t.match(JSON.parse(await receiveOne(frame)), { dataType: 'text', data: text })
    t.ok(isCompressed(protocol.encodeReply({ kind: 'text', data: text })))
    t.ok(isCompressed(protocol.encodeResult({ kind: 'action', name: 'a', data: 1, id: '1' }, { ok: true, data: text }) ?? Buffer.alloc(1)))
    t.notOk(isCompressed(protocol.encodeGreeting({ clientId: 'c', user: text, resumeToken: text })))
  }
})
