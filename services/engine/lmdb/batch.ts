import type { Offset } from '../../model/message.ts'
import { Changes, EMPTY, type LmdbStore } from './store.ts'
import { decodeOrder, encodeNumbers, encodeOrder, encodeShelf, keyOf, messageKey, numberAt, numberAtEnd, orderKey, type Order } from './layout.ts'
import type { Entry } from './entry.ts'
import { Ledger, type Totals } from './ledger.ts'
import type { IdempotencyRecord } from '../local/idempotency.ts'
import type { Retention, RetentionClass } from '../local/retention.ts'
import { ageFloor } from './time.ts'

/** Messages that a purge takes away in one transaction. */
const PURGE_STEP = 1000

/** What a key is used for, before it is known whether that can be stored. */
export type NewUse = Omit<IdempotencyRecord, 'stored'>

/** A value of the state, and until when; null when it goes. */
export type NewValue = { readonly json: string, readonly until: number } | null

/** What a batch works with. */
export interface BatchOptions {
  readonly store: LmdbStore
  readonly retention: Retention
  readonly totals: Totals
  readonly now: number
  readonly maxVanished?: number | undefined
}

/**
 * One transaction: what is to be stored, and what has to go for it. It reads only what was committed before it and what
 * it has noted itself, so that nothing has to be read while it is being committed.
 */
export class Batch {
  readonly changes = new Changes()
  /** As they are once this has been committed. */
  readonly totals: Totals
  readonly now: number
  readonly store: LmdbStore
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
    // What had to be forgotten is known at once: better a gap too many than one too few.
    this.totals = { ...totals, vanished: { ...totals.vanished } }
    this.#ledger = new Ledger(store, this.totals, maxVanished)
  }

  /** What was added, in the order of the offsets. */
  get entries (): readonly Entry[] {
    return this.#entries
  }

  /** Adds a message. Offsets must rise. */
  append (entry: Entry): void {
    this.#entries.push(entry)
  }

  /** Remembers what an idempotency key was used for. `key` is its digest. */
  use (key: Buffer, { offset, until, digest }: NewUse, stored: boolean): void {
    this.#uses.push({ key, until, value: Buffer.concat([encodeNumbers(offset, until, stored ? 1 : 0), digest]) })
  }

  /** The time of an idempotency key is over, unless it has been used again. */
  endUse (until: number, key: Buffer): void {
    this.changes.remove(keyOf('useEnd', until, key))
    this.totals.uses--
    const use = this.store.get(keyOf('use', key))
    if (use !== undefined && numberAt(use, 1) === until) this.changes.remove(keyOf('use', key))
  }

  /** The time of a value of the state is over, unless it has been put anew. */
  endValue (until: number, key: Buffer): void {
    this.changes.remove(keyOf('valueEnd', until, key))
    const value = this.store.get(keyOf('value', key))
    if (value !== undefined && numberAt(value, 0) === until) this.changes.remove(keyOf('value', key))
  }

  /** Puts a value of the state in the place of the one that is there. */
  set (key: Buffer, value: NewValue): void {
    this.#values.set(key.toString('latin1'), { key, value })
  }

  /** Notes messages of an address that never got into the store. */
  lose (address: Buffer, { count, upTo }: { readonly count: number, readonly upTo: Offset }): void {
    const record = this.#ledger.of(address)
    record.evicted += count
    record.missedUpTo = Math.max(record.missedUpTo, upTo)
  }

  /** Notes up to which offset any address of a kind may have lost messages. */
  doubt (kind: number, upTo: Offset): void {
    this.totals.doubtful[kind] = Math.max(this.totals.doubtful[kind] ?? 0, upTo)
    this.#hasDoubts = true
  }

  /** Takes away messages of an address up to an offset, some at a time; answers how many could still be handed out. */
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

  /** How many messages of an address the store has once this is done, without those that were added. */
  countOf (address: Buffer): number {
    return this.#ledger.of(address).count
  }

  /** What the order of ages says of a stored message; null when this batch takes it away, or it is not there. */
  orderAt (shelf: RetentionClass, offset: Offset): Order | null {
    const value = this.#removed.has(offset) ? undefined : this.store.get(orderKey(shelf, offset))
    return value === undefined ? null : decodeOrder(value)
  }

  /** Takes a stored message away. `isMissed`: a reader from below it has to be told. */
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

  /** Notes that an added message has to go before it was stored. */
  drop ({ address, until, message: { offset } }: Entry): void {
    this.lose(address, { count: 1, upTo: until > this.now ? offset : 0 })
  }

  /** Writes down what was added; of the messages, those that there is room for. */
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

  /** Changes something in any case, to find out whether it can be done. */
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

/** What a store says of its totals. */
export function readTotals (store: LmdbStore): Totals {
  const value = store.get(TOTALS_KEY)
  return value === undefined ? { bytes: 0, uses: 0, vanished: {}, forgotten: {}, doubtful: {} } : JSON.parse(value.toString()) as Totals
}
