import type { Offset } from '../../model/message.ts'
import { Changes, EMPTY, type LmdbFile } from './file.ts'
import { decodeOrder, encodeNumbers, encodeOrder, encodeShelf, keyOf, messageKey, numberAt, numberAtEnd, orderKey, type Order } from './layout.ts'
import type { Entry } from './entry.ts'
import { Ledger, type Totals } from './ledger.ts'
import type { IdempotencyRecord } from '../local/idempotency.ts'
import type { Retention, RetentionClass } from '../local/retention.ts'
import { ageFloor } from './time.ts'

/** The most messages that a purge removes in one transaction. */
const PURGE_STEP = 1000

/** An idempotency record before the result of its write is known. */
export type NewUse = Omit<IdempotencyRecord, 'stored'>

/** A value of the state with its expiry time; null removes the value. */
export type NewValue = { readonly json: string, readonly until: number } | null

/** Collaborators and settings of a batch. */
export interface BatchOptions {
  readonly store: LmdbFile
  readonly retention: Retention
  readonly totals: Totals
  readonly now: number
  readonly maxVanished?: number | undefined
}

/**
 * One transaction: the entries to store, and the entries to evict for them. A batch reads only committed data and its
 * own notes, so that no read is necessary during the commit.
 */
export class Batch {
  readonly changes = new Changes()
  /** The totals after the commit of this batch. */
  readonly totals: Totals
  readonly now: number
  readonly store: LmdbFile
  readonly retention: Retention
  readonly #ledger: Ledger
  readonly #entries: Entry[] = []
  readonly #uses: Array<{ readonly key: Buffer, readonly until: number, readonly value: Buffer }> = []
  readonly #values = new Map<string, { readonly key: Buffer, readonly value: NewValue }>()
  readonly #removed = new Set<Offset>()
  #hasDoubts = false

  constructor ({ store, retention, totals, now, maxVanished }: BatchOptions) {
    this.store = store
    this.retention = retention
    this.now = now
    // `forgotten` and `doubtful` stay shared with the current totals: readers see their updates before the commit.
    // A false gap is acceptable, a missed gap is not.
    this.totals = { ...totals, vanished: { ...totals.vanished } }
    this.#ledger = new Ledger(store, this.totals, maxVanished)
  }

  /** The added entries, in the order of their offsets. */
  get entries (): readonly Entry[] {
    return this.#entries
  }

  /** Adds a message. Offsets must increase from call to call. */
  append (entry: Entry): void {
    this.#entries.push(entry)
  }

  /** Adds an idempotency record. `key` is the digest of the idempotency key. */
  use (key: Buffer, { offset, until, digest }: NewUse, stored: boolean): void {
    this.#uses.push({ key, until, value: Buffer.concat([encodeNumbers(offset, until, stored ? 1 : 0), digest]) })
  }

  /** Removes an expired idempotency record. A record that a later use of the same key has renewed stays. */
  endUse (until: number, key: Buffer): void {
    this.changes.remove(keyOf('useEnd', until, key))
    this.totals.uses--
    const use = this.store.get(keyOf('use', key))
    if (use !== undefined && numberAt(use, 1) === until) this.changes.remove(keyOf('use', key))
  }

  /** Removes an expired value of the state. A value with a later expiry time stays. */
  endValue (until: number, key: Buffer): void {
    this.changes.remove(keyOf('valueEnd', until, key))
    const value = this.store.get(keyOf('value', key))
    if (value !== undefined && numberAt(value, 0) === until) this.changes.remove(keyOf('value', key))
  }

  /** Replaces a value of the state. */
  set (key: Buffer, value: NewValue): void {
    this.#values.set(key.toString('latin1'), { key, value })
  }

  /** Counts unpersisted messages of an address: messages that never reached the store. */
  lose (address: Buffer, { count, upTo }: { readonly count: number, readonly upTo: Offset }): void {
    const record = this.#ledger.of(address)
    record.evicted += count
    record.missedUpTo = Math.max(record.missedUpTo, upTo)
  }

  /** Raises the offset up to which any address of a kind may miss messages. */
  doubt (kind: number, upTo: Offset): void {
    this.totals.doubtful[kind] = Math.max(this.totals.doubtful[kind] ?? 0, upTo)
    this.#hasDoubts = true
  }

  /** Removes messages of an address up to an offset, in steps; returns how many of them were still deliverable. */
  purge (address: Buffer, shelf: RetentionClass, upTo: Offset): { readonly count: number, readonly isDone: boolean } {
    const floor = ageFloor(this.retention[shelf], this.now)
    let [count, found] = [0, 0]
    for (const key of this.store.keys({ start: messageKey(address, 0), end: messageKey(address, upTo + 1), limit: PURGE_STEP })) {
      const offset = numberAtEnd(key)
      const order = this.orderAt(shelf, offset)
      found++
      if (order === null) continue
      if (order.until > this.now && offset >= floor) count++
      this.remove(shelf, offset, order, false)
    }
    this.#ledger.of(address).evicted = 0
    this.#ledger.of(address).missedUpTo = 0
    return { count, isDone: found < PURGE_STEP }
  }

  /** Returns the number of stored messages of an address after this batch, without the added messages. */
  countOf (address: Buffer): number {
    return this.#ledger.of(address).count
  }

  /** Returns the `order` entry of a stored message; null when this batch removes the message, or the store lacks it. */
  orderAt (shelf: RetentionClass, offset: Offset): Order | null {
    const value = this.#removed.has(offset) ? undefined : this.store.get(orderKey(shelf, offset))
    return value === undefined ? null : decodeOrder(value)
  }

  /** Removes a stored message. `isMissed`: a reader that starts below its offset must receive a gap. */
  remove (shelf: RetentionClass, offset: Offset, { address, until, bytes }: Order, isMissed: boolean): void {
    this.#removed.add(offset)
    this.changes.remove(messageKey(address, offset))
    this.changes.remove(orderKey(shelf, offset))
    if (until !== Infinity) this.changes.remove(keyOf('end', until, offset))
    this.totals.bytes -= bytes
    const record = this.#ledger.of(address)
    record.count--
    record.evicted++
    if (isMissed) record.missedUpTo = Math.max(record.missedUpTo, offset)
  }

  /** Counts an added message as evicted before it is stored. */
  drop ({ address, until, message: { offset } }: Entry): void {
    this.lose(address, { count: 1, upTo: until > this.now ? offset : 0 })
  }

  /** Adds all noted changes to the transaction. `entries`: the added messages that retention does not evict. */
  finish (entries: readonly Entry[]): void {
    for (const entry of entries) this.#put(entry)
    for (const { key, until, value } of this.#uses) {
      this.changes.put(keyOf('use', key), value)
      this.changes.put(keyOf('useEnd', until, key), EMPTY)
      this.totals.uses++
    }
    for (const { key, value } of this.#values.values()) this.#putValue(key, value)
    this.#ledger.save(this.changes)
    if (this.changes.length > 0 || this.#hasDoubts) this.#putTotals()
  }

  /** Ensures that the transaction has at least one change, as a test of whether the store accepts writes. */
  probe (): void {
    if (this.changes.length === 0) this.#putTotals()
  }

  #put ({ message: { offset }, address, shelf, until, value, bytes }: Entry): void {
    this.changes.put(messageKey(address, offset), value)
    this.changes.put(orderKey(shelf, offset), encodeOrder({ until, bytes, address }))
    if (until !== Infinity) this.changes.put(keyOf('end', until, offset), encodeShelf(shelf))
    this.totals.bytes += bytes
    this.#ledger.of(address).count++
  }

  #putValue (key: Buffer, value: NewValue): void {
    const present = this.store.get(keyOf('value', key))
    if (present !== undefined) this.changes.remove(keyOf('valueEnd', numberAt(present, 0), key))
    if (value === null) this.changes.remove(keyOf('value', key))
    else {
      this.changes.put(keyOf('value', key), Buffer.concat([encodeNumbers(value.until), Buffer.from(value.json)]))
      this.changes.put(keyOf('valueEnd', value.until, key), EMPTY)
    }
  }

  #putTotals (): void {
    this.changes.put(TOTALS_KEY, Buffer.from(JSON.stringify(this.totals)))
  }
}

const TOTALS_KEY = keyOf('meta', Buffer.from('totals'))

/** Returns the totals from a store; zeros for a new store. */
export function readTotals (store: LmdbFile): Totals {
  const value = store.get(TOTALS_KEY)
  return value === undefined ? { bytes: 0, uses: 0, vanished: {}, forgotten: {}, doubtful: {} } : JSON.parse(value.toString()) as Totals
}
