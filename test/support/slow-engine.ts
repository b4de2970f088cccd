import { LocalOrder } from '../../services/engine/local/order.ts'
import { MemoryState } from '../../services/engine/memory/state.ts'
import { LogStore } from '../../services/engine/local/log-store.ts'
import type { OrderFollower } from '../../services/engine/order.ts'
import type { LogRecord } from '../../services/engine/record.ts'
import type { Offset } from '../../services/model/message.ts'
import { SlowOrder, Turns } from '../engine-suite/slow.ts'

let isSlow = false

/** Whether the memory engines of this process are slow. */
export const isEngineSlow = (): boolean => isSlow

/**
 * Makes every memory engine of this process slow from now on: its order applies records some turns later, in bursts, at
 * offsets with steps, and its reads and its state answer some turns later. For tests that create their engine
 * themselves, or through the configuration.
 */
export function makeMemoryEnginesSlow (): void {
  isSlow = true
  const orders = new WeakMap<LocalOrder, SlowOrder>()
  const slow = (order: LocalOrder): SlowOrder => {
    const known = orders.get(order) ?? new SlowOrder(order.origin)
    orders.set(order, known)
    return known
  }
  Object.assign(LocalOrder.prototype, {
    propose (this: LocalOrder, record: LogRecord) { return slow(this).propose(record) },
    follow (this: LocalOrder, after: Offset, follower: OrderFollower) { return slow(this).follow(after, follower) },
    close (this: LocalOrder) { return slow(this).close() }
  })
  const turns = new Turns()
  delay(LogStore.prototype, ['read', 'find'], turns)
  delay(MemoryState.prototype, ['get', 'list'], turns)
}

/** Delays the results of methods by some turns of the event loop. */
function delay (prototype: object, names: readonly string[], turns: Turns): void {
  for (const name of names) {
    const original = Object.getOwnPropertyDescriptor(prototype, name)?.value as (...args: unknown[]) => unknown
    Object.defineProperty(prototype, name, {
      async value (...args: unknown[]) {
        const result = await original.apply(this, args)
        await turns.pass()
        return result
      }
    })
  }
}
