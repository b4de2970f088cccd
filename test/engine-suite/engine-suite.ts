import t, { type Test } from 'tap'
import { deliveryPromises } from './delivery.ts'
import { keyPromises } from './keys.ts'
import type { EngineFixture, TestOne } from './kit.ts'
import { modelPromises } from './model.ts'
import { retentionPromises } from './retention.ts'
import { statePromises } from './state.ts'

export * from './kit.ts'

/** The promises of the engine port. `create` makes an engine with LIMITS for one test. */
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
  statePromises(test)
  modelPromises(test)
}
