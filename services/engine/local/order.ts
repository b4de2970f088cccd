import type { Offset } from '../../model/message.ts'
import type { Order, OrderFollower } from '../order.ts'
import type { LogRecord } from '../record.ts'
import type { Applied } from '../store.ts'

/** Draws offsets that rise and were never drawn before. */
export interface OffsetSource {
  next (): Offset
}

/**
 * The order of a single node: an offset is drawn, and the record is applied at once. The store of the node writes the
 * records itself, so the order has nothing to make durable.
 */
export class LocalOrder implements Order {
  readonly problem = null
  readonly origin: Offset
  readonly #offsets: OffsetSource
  #follower: OrderFollower | null = null

  /** @param origin The offset at which the log began. */
  constructor (origin: Offset, offsets: OffsetSource) {
    this.origin = origin
    this.#offsets = offsets
  }

  propose (record: LogRecord): Applied {
    if (this.#follower === null) throw new Error('The order has no follower yet.')
    return this.#follower.apply(record, this.#offsets.next())
  }

  /** The store has written all records before, and reads them itself. */
  async follow (_after: Offset, follower: OrderFollower): Promise<void> {
    this.#follower = follower
  }

  async close (): Promise<void> {}
}
