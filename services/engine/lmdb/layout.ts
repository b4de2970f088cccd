import type { Offset } from '../../model/message.ts'
import type { RetentionClass } from '../local/retention.ts'

/** The version of what is described here; a store of another version is not opened. */
export const LAYOUT_VERSION = '1'

/**
 * What lies in the store, by the first byte of its key. Numbers are eight bytes, in the form in which bytes sort as they do.
 *
 * - message: address, offset → when it ends, the message
 * - order: shelf, offset → when it ends, its bytes, address. All messages by age; and where the message at an offset is.
 * - end: when, offset → shelf. Messages with a ttl.
 * - record: address → how many messages it has, how many it has lost, and up to which offset a reader misses something.
 * - vanished: kind of address, that offset, address → nothing. Records of addresses without messages.
 * - use: digest of an idempotency key → offset, when it ends, whether it was stored, digest of what it was used for
 * - useEnd: when, digest of the key → nothing
 * - value: key of the state → when it ends, its JSON
 * - valueEnd: when, key of the state → nothing
 * - meta: `layout`, `origin` and `totals`
 */
const TABLE = { meta: 1, message: 2, order: 3, end: 4, record: 5, vanished: 6, use: 7, useEnd: 8, value: 9, valueEnd: 10 } as const
type Table = keyof typeof TABLE

const SHELF: Record<RetentionClass, number> = { log: 0, inbox: 1 }
const SHELF_OF: readonly RetentionClass[] = ['log', 'inbox']

/** Bytes that the text of a key may have: an entry's whole key must stay below what the store takes. */
export const MAX_TEXT_BYTES = 1024

/** The bytes of a text. Unlike plain UTF-8 it keeps apart what is no proper text, such as half a surrogate pair. */
export function encodeText (text: string): Buffer {
  return Buffer.from(ODD.test(text) ? text.replace(new RegExp(ODD, 'gu'), (odd) => ESCAPE + odd.charCodeAt(0).toString(16).padStart(4, '0')) : text)
}

/** The text of bytes that `encodeText` made. */
export function decodeText (bytes: Buffer): string {
  const text = bytes.toString()
  return text.includes(ESCAPE) ? text.replace(/\uFFFF(....)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))) : text
}
const ESCAPE = '\uFFFF'
const ODD = /[\uFFFF\p{Surrogate}]/u

/** The key of an entry: its table, then numbers and bytes one after another. */
export function keyOf (table: Table, ...parts: ReadonlyArray<number | Buffer>): Buffer {
  const key = Buffer.allocUnsafe(parts.reduce<number>((size, part) => size + (typeof part === 'number' ? 8 : part.length), 1))
  let at = key.writeUInt8(TABLE[table])
  for (const part of parts) at = typeof part === 'number' ? key.writeDoubleBE(part, at) : at + part.copy(key, at)
  return key
}

/** The first key behind a table, and so the end of its range. */
export function endOfTable (table: Table): Buffer {
  return Buffer.of(TABLE[table] + 1)
}

/** Where a message lies. The length keeps addresses apart of which one begins with the other. */
export function messageKey (address: Buffer, offset: Offset): Buffer {
  const key = Buffer.allocUnsafe(address.length + 11)
  key.writeUInt8(TABLE.message)
  key.writeUInt16BE(address.length, 1)
  address.copy(key, 3)
  key.writeDoubleBE(offset, address.length + 3)
  return key
}

/** Where an offset lies in the order of ages. */
export function orderKey (shelf: RetentionClass, offset: Offset): Buffer {
  const key = Buffer.allocUnsafe(10)
  key.writeUInt8(TABLE.order)
  key.writeUInt8(SHELF[shelf], 1)
  key.writeDoubleBE(offset, 2)
  return key
}

/** The number at the end of a key. */
export function numberAtEnd (key: Buffer): number {
  return key.readDoubleBE(key.length - 8)
}

/** What the order of ages says of a message. */
export interface Order {
  /** Until when it may be handed out, in ms since the epoch. */
  readonly until: number
  /** What it costs. */
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

/** Numbers one after another, as the value of an entry. */
export function encodeNumbers (...numbers: readonly number[]): Buffer {
  const value = Buffer.allocUnsafe(8 * numbers.length)
  numbers.forEach((number, index) => value.writeDoubleBE(number, 8 * index))
  return value
}

/** The number at a place of a value that `encodeNumbers` made. */
export function numberAt (value: Buffer, index: number): number {
  return value.readDoubleBE(8 * index)
}
