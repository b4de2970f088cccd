import t from 'tap'
import { pushMessage } from '../../../../services/compat/push-message.ts'
import { FrameCache } from '../../../../services/hub/delivery/frame-cache.ts'
import { Delivery } from '../../../../services/hub/outbox/batch.ts'
import type { Message } from '../../../../services/model/message.ts'
import type { Protocol } from '../../../../services/protocol/protocol.ts'
import { raw } from '../../../../services/protocol/raw.ts'

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
    const frames = new FrameCache()
    t.equal(frames.frame(raw, message(part)).ackOffset, inbox)
    t.equal(frames.frame(pushMessage, message(part)).ackOffset, everything)
  }
})

t.test('a message is encoded once for each protocol, whoever needs it first, live or from the log', async (t) => {
  const frames = new FrameCache()
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
  const frames = new FrameCache()
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
