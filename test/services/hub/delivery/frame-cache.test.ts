import t from 'tap'
import type { Message } from '../../../../services/model/message.ts'
import { pushMessage } from '../../../../services/compat/push-message.ts'
import { ackOffsetOf } from '../../../../services/hub/delivery/acknowledged.ts'
import { raw } from '../../../../services/protocol/raw.ts'

const message = (part: Partial<Message>): Message => ({ payload: { kind: 'text', data: '' }, address: { all: true }, offset: 7, ...part })

t.test('what is said to a user is acknowledged, and where a mailbox is read, everything that the log keeps', async (t) => {
  for (const [part, inbox, mailbox] of [
    [{}, null, 7],
    [{ address: { user: 'bob' } }, 7, 7],
    [{ address: { group: 'g' } }, null, 7],
    [{ keep: true }, null, 7],
    [{ keep: false }, null, null],
    [{ address: { user: 'bob' }, keep: false }, null, null]
  ] as const) {
    t.equal(ackOffsetOf(message(part), raw), inbox)
    t.equal(ackOffsetOf(message(part), pushMessage), mailbox)
  }
})
