import t from 'tap'
import type { Message } from '../../../../services/model/message.ts'
import { pushMessage } from '../../../../services/compat/push-message.ts'
import { frameOf } from '../../../../services/hub/delivery/frame-cache.ts'
import { raw } from '../../../../services/protocol/raw.ts'

const message = (part: Partial<Message>): Message => {
  return { payload: { kind: 'text', data: '' }, address: { all: true }, offset: 7, ...part }
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
    t.equal(frameOf(message(part), raw).ackOffset, inbox)
    t.equal(frameOf(message(part), pushMessage).ackOffset, everything)
  }
})
