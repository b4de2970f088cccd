import t, { type Test } from 'tap'
import type { Bus } from '../../services/engine/bus.ts'

/** The promises of the port `Bus`, on a bus with one node. */
export function busSuite (name: string, create: (t: Test) => Bus | Promise<Bus>): void {
  t.test(`bus of ${name}: passes a question to the hub and returns its answer`, async (t) => {
    const bus = await create(t)
    const question = { a: [1] }
    t.equal(bus.nodes, 1)
    t.same(await bus.ask('any kind', question), { answers: [], asked: 0 })
    bus.respond((kind, asked) => Promise.resolve([kind, asked]))
    t.same(await bus.ask('any kind', question), { answers: [['any kind', question]], asked: 1 })
    bus.respond(() => { throw new Error('no') })
    await t.rejects(bus.ask('any kind', question), { message: 'no' })
  })
}
