import type { Offset } from '../../model/message.ts'
import type { RetentionClass } from '../local/retention.ts'

/** The version of this layout; a store of another version is not opened. */
export const LAYOUT_VERSION = '1'

/**
 * The tables of the store, by the first byte of a key. Numbers have eight bytes, in an encoding with the same order as
 * the numbers.
 *
 * - message: address, offset → expiry time, the message
 * - order: retention class, offset → expiry time, size, address. All messages by age, and the address of each.
 * - end: expiry time, offset → retention class. Messages with a ttl.
 * - record: address → count of stored messages, count of evicted messages, greatest offset that a reader misses
 * - vanished: kind of address, greatest missed offset, address → empty. Tombstones of addresses without messages.
 * - use: digest of an idempotency key → offset, expiry time, whether the message was stored, digest of the draft
 * - useEnd: expiry time, digest of an idempotency key → empty
 * - value: key of the state → expiry time, its JSON
 * - valueEnd: expiry time, key of the state → empty
 * - meta: `layout`, `origin` and `totals`
 */
const TABLE = { meta: 1, message: 2, order: 3, end: 4, record: 5, vanished: 6, use: 7, useEnd: 8, value: 9, valueEnd: 10 } as const
type Table = keyof typeof TABLE

const SHELF: Record<RetentionClass, number> = { log: 0, inbox: 1 }
const SHELF_OF: readonly RetentionClass[] = ['log', 'inbox']

/** The most bytes for the text in a key: the whole key of an entry must stay below the limit of the store. */
export const MAX_TEXT_BYTES = 1024

/** Returns the key of an entry: the byte of its table, then the parts in order. */
export function keyOf (table: Table, ...parts: ReadonlyArray<number | Buffer>): Buffer {
  const key = Buffer.allocUnsafe(parts.reduce<number>((size, part) => size + (typeof part === 'number' ? 8 : part.length), 1))
  let at = key.writeUInt8(TABLE[table])
  for (const part of parts) at = typeof part === 'number' ? key.writeDoubleBE(part, at) : at + part.copy(key, at)
  return key
}

/** Returns the first key after a table: the end of the range of the table. */
export function endOfTable (table: Table): Buffer {
  return Buffer.of(TABLE[table] + 1)
}

/** Returns the key of a message. The length keeps an address distinct from another address with the same prefix. */
export function messageKey (address: Buffer, offset: Offset): Buffer {
  const key = Buffer.allocUnsafe(address.length + 11)
  key.writeUInt8(TABLE.message)
  key.writeUInt16BE(address.length, 1)
  address.copy(key, 3)
  key.writeDoubleBE(offset, address.length + 3)
  return key
}

/** Returns the key of an offset in the `order` table. */
export function orderKey (shelf: RetentionClass, offset: Offset): Buffer {
  const key = Buffer.allocUnsafe(10)
  key.writeUInt8(TABLE.order)
  key.writeUInt8(SHELF[shelf], 1)
  key.writeDoubleBE(offset, 2)
  return key
}

/** Returns the number at the end of a key. */
export function numberAtEnd (key: Buffer): number {
  return key.readDoubleBE(key.length - 8)
}

/** The value of a message in the `order` table. */
export interface Order {
  /** The expiry time of the message, in ms since the epoch. */
  readonly until: number
  /** The approximate size of the message in the store. */
  readonly bytes: number
  readonly address: Buffer
}

export function encodeOrder ({ until, bytes, address }: Order): Buffer {
  const value = Buffer.allocUnsafe(address.length + 12)
  value.writeDoubleBE(until)
  value.writeUInt32BE(bytes, 8)
  address.copy(value, 12)
  return value
}

export function decodeOrder (value: Buffer): Order {
  return { until: value.readDoubleBE(), bytes: value.readUInt32BE(8), address: value.subarray(12) }
}

export function encodeShelf (shelf: RetentionClass): Buffer {
  return Buffer.of(SHELF[shelf])
}

export function decodeShelf (value: Buffer): RetentionClass {
  return SHELF_OF[value.readUInt8()] ?? 'log'
}

/** Encodes numbers in order, as the value of an entry. */
export function encodeNumbers (...numbers: readonly number[]): Buffer {
  const value = Buffer.allocUnsafe(8 * numbers.length)
  numbers.forEach((number, index) => value.writeDoubleBE(number, 8 * index))
  return value
}

/** Returns the number at an index of a value from `encodeNumbers`. */
export function numberAt (value: Buffer, index: number): number {
  return value.readDoubleBE(8 * index)
}
