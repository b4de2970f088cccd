import { RisingClock } from '../../lib/clock.ts'
import { Engine } from '../engine.ts'
import { Lifetime } from '../lifetime.ts'
import { LocalBus } from '../local/bus.ts'
import { IdempotencyRecords, type IdempotencyBounds } from '../local/idempotency.ts'
import { LogIndex, type IndexOptions } from '../local/index/log-index.ts'
import { LogStore } from '../local/log-store.ts'
import { LocalOrder } from '../local/order.ts'
import type { Retention } from '../local/retention.ts'
import { MemoryPayloads } from './payloads.ts'
import { MemoryState } from './state.ts'
import type { Offset } from '../../model/message.ts'

/** Bounds of the data beside the messages; each default is that of the named class. */
export interface MemoryBounds extends IndexOptions {
  readonly keys?: IdempotencyBounds
  /** Values of the state at most: Values. */
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
    store: createMemoryStore(origin, retention, bounds),
    state: new MemoryState(now, lifetime, bounds.values === undefined ? {} : { values: bounds.values }),
    bus: new LocalBus(lifetime),
    lifetime,
    now
  })
}

/** Creates a store in the memory of this process. `head`: offset of the last record before those of the store. */
export function createMemoryStore (head: Offset, retention: Retention, bounds: MemoryBounds = {}): LogStore {
  const index = new LogIndex(retention, bounds)
  const payloads = new MemoryPayloads()
  index.onRemove((offset) => payloads.remove(offset))
  return new LogStore({ head, index, keys: new IdempotencyRecords(bounds.keys), payloads }, retention)
}
