import type { Message } from '../../model/message.ts'

/** The limits of one retention class. */
export interface Limits {
  /** Age in ms after which a message leaves the log. */
  readonly maxAgeMs: number
  /** Messages that the log holds at one address at most. */
  readonly maxCount: number
}

/** The limits of a log. Over a limit, the oldest messages are evicted. */
export interface Retention {
  /** For messages to everyone, to groups and to clients. */
  readonly log: Limits
  /** For messages to users. */
  readonly inbox: Limits
  /** Approximate bytes of all messages together at most. */
  readonly maxBytes: number
  /** Time in ms for which an idempotency key is known. */
  readonly idempotencyWindowMs: number
  /**
   * The time in ms since the epoch.
   * @default Date.now
   */
  readonly now?: () => number
}

/** The retention classes: the two parts of a log with limits of their own. */
export const RETENTION_CLASSES = ['log', 'inbox'] as const

/** When a message expires, in ms since the epoch; Infinity without a ttl. */
export function expiryOf ({ ttl, at }: Message): number {
  return ttl === undefined ? Infinity : at + ttl * 1000
}
