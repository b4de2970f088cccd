import t, { type Test } from 'tap'
import type { Order } from '../../services/engine/order.ts'
import type { LogRecord } from '../../services/engine/record.ts'
import type { Applied } from '../../services/engine/store.ts'
import type { Offset } from '../../services/model/message.ts'
import { draft, numbers } from './kit.ts'

/** The promises of the port `Order`. `create` makes an order of an empty log, without a follower. */
export function orderSuite (name: string, create: (t: Test) => Order | Promise<Order>): void {
  const test = (title: string, body: (t: Test, order: Order) => Promise<void>): void => {
    t.test(`order of ${name}: ${title}`, async (t) => {
      const order = await create(t)
      t.teardown(() => order.close())
      await body(t, order)
    })
  }
  const message = (data: string): LogRecord => ({ kind: 'message', draft: draft(data), at: 1 })

  test('hands out each record once, at rising offsets above the origin, before propose resolves', async (t, order) => {
    const offsets: Offset[] = []
    const texts: string[] = []
    await order.follow(order.origin, {
      apply: (record, offset) => {
        if (record.kind === 'message') texts.push(String(record.draft.payload.data))
        offsets.push(offset)
        return { kind: 'duplicate', offset, stored: false }
      },
      hole: () => t.fail('there is no hole')
    })
    const results = await Promise.all(numbers(30).map(async (n) => order.propose(message(n))))
    t.same(results, offsets.map((offset): Applied => ({ kind: 'duplicate', offset, stored: false })))
    t.same(texts, numbers(30), 'in the order of the calls')
    await order.propose({ kind: 'purge', address: { all: true }, at: 1 })
    t.equal(offsets.length, 31)
    t.same(offsets, [...new Set(offsets)].sort((a, b) => a - b))
    t.ok(offsets.every((offset) => Number.isSafeInteger(offset) && offset > order.origin))
    t.equal(order.problem, null)
  })
}
