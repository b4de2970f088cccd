import type { Address, Offset } from '../../model/message.ts'

/** How long, and how many at each address. */
export interface Limits {
  /** Age in ms after which a message leaves the log. */
  readonly maxAgeMs: number
  /** Messages that the log keeps at most at one address. */
  readonly maxCount: number
}

/** How much a log keeps. What is over a limit leaves it, the oldest first. */
export interface Retention {
  /** What is said to everyone, to groups and to connections. */
  readonly log: Limits
  /** What is said to users. */
  readonly inbox: Limits
  /** Bytes that all messages may take together, about. */
  readonly maxBytes: number
  /** Time in ms for which an idempotency key is remembered. */
  readonly idempotencyWindowMs: number
  /** The time in ms since the epoch. */
  readonly now?: () => number
}

/** Idempotency keys that are remembered at most, whatever the window: beyond them the oldest are forgotten. */
export const MAX_KEYS = 1_000_000

/** The two parts of a log, each with limits of its own. */
export const RETENTION_CLASSES = ['log', 'inbox'] as const
export type RetentionClass = typeof RETENTION_CLASSES[number]

/** Which limits an address falls under. */
export function retentionClassOf (address: Address): RetentionClass {
  return 'user' in address ? 'inbox' : 'log'
}

/** Messages below this offset are too old: an offset is the time of its message in microseconds since the epoch, or a little more. */
export function ageFloor ({ maxAgeMs }: Limits, now: number): Offset {
  return Math.max(0, Math.floor((now - maxAgeMs) * 1000))
}

/** Until when a message that is appended now may be handed out, in ms since the epoch; Infinity without a ttl, which is in seconds. */
export function expiryOf (ttl: number | undefined, now: number): number {
  return ttl === undefined ? Infinity : now + ttl * 1000
}
