import type { Address, Message, Offset } from '../model/message.ts'
import type { LogRecord } from './record.ts'

/** The result of applying a record. */
export type Applied =
  /** The message is new, and followers receive the message. */
  | {
    readonly kind: 'appended'
    readonly message: Message
    /** See `Appended.stored`; a promise while the write is in flight. */
    readonly stored: boolean | Promise<boolean>
  }
  /** The idempotency key was used before for the same draft, at this offset. */
  | { readonly kind: 'duplicate', readonly offset: Offset, readonly stored: boolean | Promise<boolean> }
  /** The idempotency key was used before for another draft. */
  | { readonly kind: 'keyReused' }
  /** The messages of an address are purged: their number, once the purge is as durable as the store can make it. */
  | { readonly kind: 'purged', readonly count: Promise<number> }

/** A part of the messages of one address. */
export interface Range {
  readonly address: Address
  /** Only messages above this offset count; 0 begins at the beginning of the log. */
  readonly after: Offset
  /**
   * Only messages up to this offset count.
   * @default Infinity
   */
  readonly upTo?: Offset
}

/** The bounds of one page. A page holds at least one message, of any size, when there is one. */
export interface PageLimit {
  /** Messages at most. */
  readonly messages: number
  /** Bytes of all payloads and options at most. */
  readonly bytes: number
}

/** A part of the log: the messages of some ranges, merged by offset. */
export interface Page {
  /** In the order of their offsets. */
  readonly messages: readonly Message[]
  /**
   * Every message of the ranges up to this offset has been read; the `head` of that moment when the page reached the
   * end.
   */
  readonly upTo: Offset
  /** Greatest offset of the requested messages that are gone from the log; 0 without a gap. */
  readonly gapUpTo: Offset
}

/** The number of messages in a range, and the evictions of its address. */
export interface Summary {
  /** Messages that the log holds in the range. */
  readonly count: number
  /** Offset of the first of these messages; 0 for an empty range. */
  readonly oldest: Offset
  /**
   * Messages of the address, in the range or not, that left the log since the last purge of the address. `upTo`: the
   * greatest offset of a message that a reader misses; 0 without one.
   */
  readonly evicted: { readonly count: number, readonly upTo: Offset }
}

/**
 * PORT: the part of the log that this node has. Applies records one by one; the same records give the same messages,
 * evictions and idempotency keys on every node, because every decision depends on the records alone, on their offsets
 * and their times. Reads are local and change nothing.
 *
 * - A read returns the messages of the ranges, oldest first, and includes every applied message, durable or not.
 *   Messages that have expired or are over age by the clock of this node are hidden, evicted or not.
 * - Gaps are exact: an eviction of a requested message is a gap for exactly the address that lost the message, and a
 *   hidden message that is over age is a gap as well. An expired message (`ttl`) is none.
 */
export interface Store {
  /** Offset of the last applied record or hole; before the first one, the offset at which the store began. */
  readonly head: Offset
  /** One sentence on why this store cannot be written right now; null while the store works. */
  readonly problem: string | null
  /** Applies a record. Offsets rise. */
  apply (record: LogRecord, offset: Offset): Applied
  /** Records that the records up to an offset that were not applied are lost: a gap for every address. */
  noteHole (upTo: Offset): void
  /** Reads one page, at once where the messages are at hand. */
  read (ranges: readonly Range[], limit: PageLimit): Page | Promise<Page>
  /** Finds a message by its offset; undefined when the log does not hold the message. */
  find (offset: Offset): Message | undefined | Promise<Message | undefined>
  /** Counts the messages of a range. */
  summary (range: Range): Summary
  /** Completes the pending writes, for a limited time, and releases the files of the store. */
  close (): Promise<void>
}
