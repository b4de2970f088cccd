import type { Offset } from '../model/message.ts'
import type { LogRecord } from './record.ts'
import type { Applied } from './store.ts'

/** What an order hands to a node. */
export interface OrderFollower {
  /** Applies one record. Called for every record, once, in the order of the offsets. Must not throw. */
  apply (record: LogRecord, offset: Offset): Applied
  /**
   * Learns of a hole: the records up to this offset that the follower has not received cannot be had any more. The
   * next record has a greater offset.
   */
  hole (upTo: Offset): void
}

/**
 * PORT: gives every record its offset, durably, and hands all records to this node in that order, each once.
 *
 * Offsets are above `origin`, rise by any step, stay below 2^53 and are never reused, also across restarts, crashes,
 * and a log that was lost and made anew. An offset is no time.
 */
export interface Order {
  /** The offset at which this log began. An offset below belongs to an earlier log. */
  readonly origin: Offset
  /** One sentence on why no record can be ordered right now; null while the order works. */
  readonly problem: string | null
  /**
   * Orders a record. The result of `apply` on this node; at once where the order needs no round trip.
   *
   * @throws {HubError} HUB_STORE_FAILED when the record could not be ordered. The record may be in the log all the
   *   same; a repetition under the same idempotency key is harmless.
   */
  propose (record: LogRecord): Applied | Promise<Applied>
  /**
   * Hands every record above `after` to the follower, from now on. Called once. Resolves when the follower has
   * received all records of the log so far.
   */
  follow (after: Offset, follower: OrderFollower): Promise<void>
  /** Stops. Records that were proposed before are handed out or rejected. */
  close (): Promise<void>
}
