import { RisingClock } from '../../lib/clock.ts'
import { Engine } from '../engine.ts'
import { Lifetime } from '../lifetime.ts'
import { LocalBus } from '../local/bus.ts'
import { LocalOrder } from '../local/order.ts'
import type { Retention } from '../local/retention.ts'
import { MemoryState } from './state.ts'
import { MemoryStore, type StoreBounds } from './store.ts'

/** Bounds of the data beside the messages. */
export interface MemoryBounds extends StoreBounds {
  /** Values of the state at most: MemoryState. */
  readonly values?: number
}

/**
 * Creates an engine in the memory of this process. Offsets rise across restarts all the same, as long as the clock
 * does. All data is bounded: messages by the retention, the rest by numbers.
 */
export function createMemoryEngine (retention: Retention, bounds: MemoryBounds = {}): Engine {
  const { now = Date.now } = retention
  const lifetime = new Lifetime()
  const clock = new RisingClock(now)
  const origin = clock.next()
  return new Engine({
    order: new LocalOrder(origin, clock),
    store: new MemoryStore(origin, retention, bounds),
    state: new MemoryState(now, lifetime, { values: bounds.values ?? 1_000_000 }),
    bus: new LocalBus(lifetime),
    lifetime,
    now
  })
}
