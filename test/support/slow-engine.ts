import { LocalOrder } from '../../services/engine/local/order.ts'
import { MemoryState } from '../../services/engine/memory/state.ts'
import { MemoryStore } from '../../services/engine/memory/store.ts'
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
  LocalOrder.prototype.propose = function (record) { return slow(this).propose(record) }
  LocalOrder.prototype.follow = function (after, follower) { return slow(this).follow(after, follower) }
  LocalOrder.prototype.close = function () { return slow(this).close() }
  const turns = new Turns()
  delay(MemoryStore.prototype, ['read', 'find'], turns)
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
