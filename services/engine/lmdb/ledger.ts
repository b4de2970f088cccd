import type { Offset } from '../../model/message.ts'
import { MAX_EVICTIONS } from '../local/evictions.ts'
import { encodeNumbers, keyOf, numberAt } from './layout.ts'
import { EMPTY, type Changes, type LmdbFile } from './file.ts'

/** The record of an address. */
export interface AddressRecord {
  /** The number of stored messages. */
  readonly count: number
  /** The number of evicted messages. */
  readonly evicted: number
  /** The greatest offset of the messages that a reader misses; 0 without such messages. */
  readonly missedUpTo: Offset
}

/** Totals over all addresses. The first byte of an address is its kind. */
export interface Totals {
  /** The approximate size of all messages in the store. */
  bytes: number
  /** The number of entries in the `useEnd` table. */
  uses: number
  /** The number of tombstones (records of addresses without messages), by kind. */
  vanished: Record<number, number>
  /** The offset up to which an address without a record may have lost messages, by kind. */
  forgotten: Record<number, Offset>
  /** The offset up to which any address may have lost messages, by kind. */
  doubtful: Record<number, Offset>
}

interface Kept extends AddressRecord {
  /** The offset of the tombstone in the `vanished` table; null for an address with messages. */
  readonly vanishedAt: Offset | null
}

type Editable = { -readonly [K in keyof AddressRecord]: AddressRecord[K] }

/**
 * Returns the record of an address; for an address without a record, the bound of the evicted tombstones of its kind.
 */
export function readRecord (store: LmdbFile, { forgotten }: Totals, address: Buffer): AddressRecord {
  const value = store.get(keyOf('record', address))
  if (value === undefined) return { count: 0, evicted: 0, missedUpTo: forgotten[kindOf(address)] ?? 0 }
  return { count: numberAt(value, 0), evicted: numberAt(value, 1), missedUpTo: numberAt(value, 2) }
}

/** The address records that one transaction changes. */
export class Ledger {
  readonly #store: LmdbFile
  readonly #totals: Totals
  readonly #maxVanished: number
  readonly #open = new Map<string, { readonly address: Buffer, readonly before: Kept | null, readonly record: Editable }>()

  /** `totals`: the totals after the transaction; the ledger updates them. */
  constructor (store: LmdbFile, totals: Totals, maxVanished = MAX_EVICTIONS) {
    this.#store = store
    this.#totals = totals
    this.#maxVanished = maxVanished
  }

  of (address: Buffer): Editable {
    const key = address.toString('latin1')
    const open = this.#open.get(key)
    if (open !== undefined) return open.record
    const record = { ...readRecord(this.#store, this.#totals, address) }
    const isKnown = record.count > 0 || record.evicted > 0
    this.#open.set(key, { address, record, before: isKnown ? { ...record, vanishedAt: record.count === 0 ? record.missedUpTo : null } : null })
    return record
  }

  /** Adds the changed records to a transaction, and evicts the oldest tombstones above the bound. */
  save (changes: Changes): void {
    for (const { address, before, record } of this.#open.values()) this.#save(changes, address, before, record)
    for (const [kind, count] of Object.entries(this.#totals.vanished)) {
      if (count > this.#maxVanished) this.#forget(changes, Number(kind), count - this.#maxVanished)
    }
  }

  #save (changes: Changes, address: Buffer, before: Kept | null, record: AddressRecord): void {
    const { count, evicted, missedUpTo } = record
    const kind = kindOf(address)
    const wasAt = before?.vanishedAt ?? null
    const isAt = count === 0 && evicted > 0 ? missedUpTo : null
    if (wasAt !== isAt) {
      if (wasAt !== null) changes.remove(vanishedKey(kind, wasAt, address))
      if (isAt !== null) changes.put(vanishedKey(kind, isAt, address), EMPTY)
      this.#totals.vanished[kind] = (this.#totals.vanished[kind] ?? 0) + (isAt === null ? 0 : 1) - (wasAt === null ? 0 : 1)
    }
    if (count === 0 && evicted === 0) changes.remove(keyOf('record', address))
    else changes.put(keyOf('record', address), encodeNumbers(count, evicted, missedUpTo))
  }

  #forget (changes: Changes, kind: number, count: number): void {
    const range = { start: keyOf('vanished', Buffer.of(kind)), end: keyOf('vanished', Buffer.of(kind + 1)), limit: Math.min(count, MAX_FORGOTTEN) }
    for (const key of this.#store.keys(range)) {
      const address = key.subarray(VANISHED_HEAD)
      // An address that this transaction changes may have messages again.
      if (this.#open.has(address.toString('latin1'))) continue
      changes.remove(key)
      changes.remove(keyOf('record', address))
      this.#totals.vanished[kind] = (this.#totals.vanished[kind] ?? 0) - 1
      this.#totals.forgotten[kind] = Math.max(this.#totals.forgotten[kind] ?? 0, key.readDoubleBE(2))
    }
  }
}

/** The most tombstones that one transaction evicts for each kind of address. */
const MAX_FORGOTTEN = 1000
/** Bytes before the address in a key of the `vanished` table: table, kind, offset. */
const VANISHED_HEAD = 10

function vanishedKey (kind: number, missedUpTo: Offset, address: Buffer): Buffer {
  return keyOf('vanished', Buffer.of(kind), missedUpTo, address)
}

/** Returns the kind of an address, its first byte: `u`, `g`, `c` or `a`. */
export function kindOf (address: Buffer): number {
  return address[0] ?? 0
}
