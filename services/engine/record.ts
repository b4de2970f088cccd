import type { Address, Draft } from '../model/message.ts'

/** A message on its way into the log. */
export interface MessageRecord {
  readonly kind: 'message'
  readonly draft: Draft
  /** Time of publishing, in ms since the epoch. Ages and expiries count from this time. */
  readonly at: number
  /** Digest of the draft, for a draft with an idempotency key; see `digestOf`. */
  readonly digest?: Buffer
}

/** A purge: the messages of one address that have smaller offsets leave the log. */
export interface PurgeRecord {
  readonly kind: 'purge'
  readonly address: Address
  /** Time of the purge, in ms since the epoch. */
  readonly at: number
}

/** One record of the log. A record carries its own time: an offset is a position and no time. */
export type LogRecord = MessageRecord | PurgeRecord
