import { pino } from 'pino'
import t from 'tap'
import { pushMessage } from '../../../../services/compat/push-message.ts'
import { FrameCache } from '../../../../services/hub/delivery/frame-cache.ts'
import { Delivery } from '../../../../services/hub/outbox/batch.ts'
import type { Clock } from '../../../../services/lib/clock.ts'
import type { Message } from '../../../../services/model/message.ts'
import type { Protocol } from '../../../../services/protocol/protocol.ts'
import { raw } from '../../../../services/protocol/raw.ts'
import { webPubSub } from '../../../../services/protocol/web-pubsub.ts'

let now = 0
const clock: Clock = { wall: () => now, steady: () => now }
const warnings: Array<[context: Record<string, unknown>, sentence: string]> = []
const log = pino({}, { write: (line: string) => {
  const { msg, ...context } = JSON.parse(line) as Record<string, unknown>
  warnings.push([context, String(msg)])
} })

const message = (part: Partial<Message> = {}): Message => {
  return { payload: { kind: 'text', data: '' }, address: { all: true }, offset: 7, at: 0, ...part }
}

/** The raw protocol, which counts the encoded messages. */
function counting (): Protocol & { encoded: number } {
  const protocol = { ...raw, encoded: 0, encode: (one: Message) => { protocol.encoded++; return raw.encode(one) } }
  return protocol
}

t.test('messages to a user are acknowledged, and with `acknowledgesAll` all messages that the log keeps', async (t) => {
  for (const [part, inbox, everything] of [
    [{}, null, 7],
    [{ address: { user: 'bob' } }, 7, 7],
    [{ address: { group: 'g' } }, null, 7],
    [{ keep: true }, null, 7],
    [{ keep: false }, null, null],
    [{ address: { user: 'bob' }, keep: false }, null, null]
  ] as const) {
    const frames = new FrameCache(clock, log)
    t.equal(frames.frame(raw, message(part)).ackOffset, inbox)
    t.equal(frames.frame(pushMessage, message(part)).ackOffset, everything)
  }
})

t.test('a message is encoded once for each protocol, whoever needs it first, live or from the log', async (t) => {
  const frames = new FrameCache(clock, log)
  const protocols = [counting(), counting()]
  for (const [offset, text] of ['small', 'x'.repeat(2 * 1024 ** 2)].entries()) {
    const one = message({ offset, payload: { kind: 'text', data: text }, conflate: 'key' })
    const delivery = new Delivery()
    const bytes = protocols.map((protocol) => {
      const live = frames.liveFrame(protocol, one, delivery)
      const logged = frames.frame(protocol, one)
      t.same([live.delivery, live.conflate, logged.delivery, logged.conflate], [delivery, 'key', null, undefined])
      t.equal(logged, frames.frame(protocol, one), 'clients that catch up share a frame')
      t.equal(live.bytes, logged.bytes, 'and its bytes with live clients')
      return logged.bytes
    })
    t.not(bytes[0], bytes[1])
  }
  t.same(protocols.map(({ encoded }) => encoded), [2, 2])
})

t.test('the cache is bounded: by the number of frames, by their bytes, and without messages that are never read again', async (t) => {
  const frames = new FrameCache(clock, log)
  const protocol = counting()
  const encodedAgain = (offset: number): boolean => {
    const before = protocol.encoded
    frames.frame(protocol, message({ offset }))
    return protocol.encoded > before
  }
  for (let offset = 1; offset <= 600; offset++) frames.frame(protocol, message({ offset }))
  t.same([1, 600].map(encodedAgain), [true, false])
  const large = (offset: number) => message({ offset, payload: { kind: 'text', data: 'x'.repeat(300 * 1024) } })
  for (let offset = 1001; offset <= 1004; offset++) frames.frame(protocol, large(offset))
  t.same([600, 1001, 1004].map(encodedAgain), [true, true, false])
  frames.frame(protocol, message({ offset: 2000, keep: false }))
  t.ok(encodedAgain(2000))
})

t.test('a message whose envelope is longer than many clients read is logged once a minute', async (t) => {
  const frames = new FrameCache(clock, log)
  const plain = webPubSub.get('json.webpubsub.azure.v1') ?? raw
  const large: Partial<Message> = { payload: { kind: 'text', data: '"'.repeat(40_000) } }
  warnings.length = 0
  frames.frame(raw, message({ ...large, offset: 1 }))
  frames.frame(raw, message({ payload: { kind: 'binary', data: Buffer.alloc(65_536) }, offset: 2 }))
  t.same(warnings, [], 'the message alone has 40,000 bytes')
  for (const offset of [3, 4]) frames.frame(plain, message({ ...large, offset }))
  t.match(warnings, [[{ protocol: 'json.webpubsub.azure.v1', bytes: 80_072, offset: 3, address: { all: true } }, /65536 bytes.*websocket\.maxMessageSize/]])
  now += 59_999
  frames.frame(plain, message({ ...large, offset: 5 }))
  t.equal(warnings.length, 1)
  now += 1
  frames.frame(plain, message({ payload: { kind: 'binary', data: Buffer.alloc(50_000) }, offset: 6 }))
  t.match(warnings[1], [{ offset: 6 }])
})
