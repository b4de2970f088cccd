import t, { type Test } from 'tap'
import { deliveryPromises } from './delivery.ts'
import { keyPromises } from './keys.ts'
import type { EngineFixture, TestOne } from './kit.ts'
import { lifecyclePromises } from './lifecycle.ts'
import { modelPromises } from './model.ts'
import { retentionPromises } from './retention.ts'

export * from './kit.ts'
export { busSuite } from './bus-suite.ts'
export { orderSuite } from './order-suite.ts'
export { stateSuite } from './state-suite.ts'
export { storeSuite } from './store-suite.ts'

/** The promises of the whole. `create` makes an engine with LIMITS for one test. */
export function engineSuite (name: string, create: (t: Test) => EngineFixture | Promise<EngineFixture>): void {
  const test: TestOne = (title, body) => {
    t.test(`${name}: ${title}`, async (t) => {
      const fixture = await create(t)
      t.teardown(() => fixture.engine.close())
      await body(t, fixture)
    })
  }
  deliveryPromises(test)
  keyPromises(test)
  retentionPromises(test)
  lifecyclePromises(test)
  modelPromises(test)
}
