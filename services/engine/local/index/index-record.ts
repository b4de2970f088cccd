import type { AddressKey, Offset } from '../../../model/message.ts'

/** Number of an address in an index. Numbers are reused. */
export type AddressNumber = number

/** A record that the index has. */
export interface IndexRecord {
  readonly key: AddressKey
  readonly offset: Offset
  /** Time in ms since the epoch. */
  readonly at: number
  /** Bytes that count towards the size of the log: payload, options, key of the address, and 64. */
  readonly bytes: number
  /** Position in the file of the record. */
  readonly position: number
}

/** A record for the index. */
export interface NewRecord {
  readonly offset: Offset
  readonly at: number
  readonly until: number
  readonly bytes: number
  readonly position?: number
  readonly ordinal?: number
}

/** A selected part of the log. */
export interface Selection {
  /** In the order of their offsets. */
  readonly records: readonly IndexRecord[]
  /** See `Page`. */
  readonly upTo: Offset
  readonly gapUpTo: Offset
}

/** Receives each record that leaves the index: its offset, number in its sealed file, and bytes. Must not throw. */
export type RemovalHandler = (offset: Offset, ordinal: number, bytes: number) => void

/** The living records of a sealed file. */
export interface LivingRecords {
  /** One bit for each record of the file, in the order of its footer. */
  readonly bits: Uint8Array
  /** Bytes of the living records that count towards the size of the log. */
  readonly bytes: number
}

/** The ordinal of a record without a sealed file. */
export const NO_ORDINAL = 0xFFFF_FFFF
