import type { Offset } from '../../model/message.ts'
import { MAX_EVICTIONS } from '../local/evictions.ts'
import { encodeNumbers, keyOf, numberAt } from './layout.ts'
import { EMPTY, type Changes, type LmdbStore } from './store.ts'

/** What is known of an address. */
export interface AddressRecord {
  /** Messages that the store has. */
  readonly count: number
  /** Messages that have left it. */
  readonly evicted: number
  /** The greatest offset of those that a reader misses; 0: none. */
  readonly missedUpTo: Offset
}

/** What concerns all addresses. Kinds of addresses go by their first byte. */
export interface Totals {
  /** What all messages cost. */
  bytes: number
  /** How many ends of idempotency keys there are. */
  uses: number
  /** How many addresses without messages are remembered. */
  vanished: Record<number, number>
  /** Up to which offset an address that is not known may have lost messages. */
  forgotten: Record<number, Offset>
  /** Up to which offset any address may have lost messages. */
  doubtful: Record<number, Offset>
}

interface Kept extends AddressRecord {
  /** Where the record stands among those of addresses without messages; null: nowhere. */
  readonly vanishedAt: Offset | null
}

type Editable = { -readonly [K in keyof AddressRecord]: AddressRecord[K] }

/** What is known of an address; of one that is not known, as much as had to be forgotten. */
export function readRecord (store: LmdbStore, { forgotten }: Totals, address: Buffer): AddressRecord {
  const value = store.get(keyOf('record', address))
  if (value === undefined) return { count: 0, evicted: 0, missedUpTo: forgotten[kindOf(address)] ?? 0 }
  return { count: numberAt(value, 0), evicted: numberAt(value, 1), missedUpTo: numberAt(value, 2) }
}

/** The records that one transaction changes. */
export class Ledger {
  readonly #store: LmdbStore
  readonly #totals: Totals
  readonly #maxVanished: number
  readonly #open = new Map<string, { readonly address: Buffer, readonly before: Kept | null, readonly record: Editable }>()

  /** `totals` are those that the transaction makes. */
  constructor (store: LmdbStore, totals: Totals, maxVanished = MAX_EVICTIONS) {
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

  /** Adds the changed records to a transaction, and takes the oldest of those away that are too many. */
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
      // What this transaction changes may no longer be without messages.
      if (this.#open.has(address.toString('latin1'))) continue
      changes.remove(key)
      changes.remove(keyOf('record', address))
      this.#totals.vanished[kind] = (this.#totals.vanished[kind] ?? 0) - 1
      this.#totals.forgotten[kind] = Math.max(this.#totals.forgotten[kind] ?? 0, key.readDoubleBE(2))
    }
  }
}

/** Addresses that one transaction forgets at most. */
const MAX_FORGOTTEN = 1000
/** Bytes before the address in a key of the table: table, kind, offset. */
const VANISHED_HEAD = 10

function vanishedKey (kind: number, missedUpTo: Offset, address: Buffer): Buffer {
  return keyOf('vanished', Buffer.of(kind), missedUpTo, address)
}

/** `u`, `g`, `c` or `a`: the byte with which an address begins. */
export function kindOf (address: Buffer): number {
  return address[0] ?? 0
}
