import t, { type Test } from 'tap'
import { deliveryPromises } from './services/engine/suite/delivery.ts'
import { keyPromises } from './services/engine/suite/keys.ts'
import type { EngineFixture, TestOne } from './services/engine/suite/kit.ts'
import { modelPromises } from './services/engine/suite/model.ts'
import { retentionPromises } from './services/engine/suite/retention.ts'
import { statePromises } from './services/engine/suite/state.ts'

export * from './services/engine/suite/kit.ts'

/** What an engine promises, whichever it is. `create` makes one within LIMITS, for one test. */
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
