import t from 'tap'
import { ginServer } from '../../../services/compat/gin-server.ts'
import { learnGin } from '../../../services/compat/learn-gin.ts'
import { pushMessage } from '../../../services/compat/push-message.ts'
import type { Payload } from '../../../services/model/message.ts'
import { asUtf8, protocolSuite } from '../protocol/protocol-suite.ts'
import { receive } from '../../support/ws-receiver.ts'

/** The messages that a program receives, without pings of either kind. */
const messagesIn = (bytes: Buffer): Array<string | Buffer> => receive(bytes).map(({ data }) => data).filter((data) => typeof data !== 'string' || !/^ping( |$)/.test(data))
/** The value of a JSON text, written anew: escapes and the order of keys are no part of it. */
const same = (json: string): string => JSON.stringify(sorted(JSON.parse(json)))

function sorted (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, one]) => [key, sorted(one)])
}

t.test('ginServer keeps the promises of a protocol', async (t) => {
  protocolSuite(t, {
    protocol: ginServer,
    receivedFrom: (bytes) => messagesIn(bytes).map((data) => typeof data === 'string' ? unescaped(data) : data),
    expectedOf: ({ kind, data }) => kind === 'binary' ? Buffer.from(data) : unescaped(asUtf8(data))
  })
})

t.test('learn-gin keeps the promises of a protocol', async (t) => {
  protocolSuite(t, {
    protocol: learnGin,
    receivedFrom: (bytes) => messagesIn(bytes).map((data) => typeof data === 'string' ? unescaped(data) : data),
    expectedOf: ({ kind, data }) => kind === 'binary' ? Buffer.from(data) : unescaped(asUtf8(kind === 'json' ? `${data}\n` : data))
  })
})

t.test('pushMessage keeps the promises of a protocol', async (t) => {
  protocolSuite(t, {
    protocol: pushMessage,
    receivedFrom: (bytes) => messagesIn(bytes).map((data) => same(String(data))),
    expectedOf: ({ kind, data }: Payload) => same(kind === 'json' ? data : JSON.stringify(kind === 'text' ? data : Buffer.from(data).toString('base64')))
  })
})

t.test('pushMessage pings every 10 s with an empty Ping frame', async (t) => {
  t.same([pushMessage.pingPeriodMs, pushMessage.ping], [10_000, Buffer.from('8900', 'hex')])
})

t.test('pushMessage sends JSON with a number beyond float64 as it is', async (t) => {
  const json = '{"b":1e400,"a":"<"}'
  const [frame] = receive(pushMessage.encode({ payload: { kind: 'json', data: json }, address: { all: true }, offset: 1 }))
  t.equal(frame?.data, `${json.replace('<', '\\u003c')}\n`)
})

/** Both ways of writing a character of HTML, as one. */
function unescaped (text: string): string {
  return text.replace(/\\u(003c|003e|0026|2028|2029)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
}
