import type { AddressKey, Offset } from '../../../model/message.ts'
import { kindOf, SLACK, type Evicted } from '../evicted.ts'
import type { AddressNumber } from './index-record.ts'
import { NameTable, NO_NAME, type PackedNames } from './name-table.ts'
import { NONE, type RecordRef } from './record-blocks.ts'

const FIRST_ADDRESSES = 64
const MAX_TOMBSTONES = 100_000
/** Layout of a row: six words, and two doubles behind them. */
const ROW_WORDS = 10
const WORD = { first: 0, last: 1, count: 2, sequence: 3, holes: 4, kind: 5 } as const
const ROW_DOUBLES = 5
const DOUBLE = { evicted: 3, upTo: 4 } as const
const USER_KIND = kindOf('user:')

/** The evictions at one moment, to be written to a file bit by bit. */
export interface EvictionSnapshot {
  /** Yields the addresses with evictions. */
  entries (): Generator<readonly [AddressKey, Evicted], void>
  /** The greatest offset of the dropped tombstones, by kind. */
  readonly dropped: ReadonlyArray<readonly [kind: number, upTo: Offset]>
  /** The offset up to which every address may miss messages. */
  readonly doubtUpTo: Offset
}

/**
 * The addresses of an index, one row of 40 bytes each: the ends of their chains of records, and their evictions. An
 * address without records and with evictions is a tombstone. The number of tombstones is bounded for each kind of
 * address; for the dropped ones of a kind one offset is kept, the greatest: an unknown address has a gap up to that
 * offset. A false gap is acceptable, a missed gap is not.
 */
export class Addresses {
  readonly #max: number
  readonly #names = new NameTable()
  #words = new Uint32Array(ROW_WORDS * FIRST_ADDRESSES)
  #doubles = new Float64Array(this.#words.buffer)
  /** Tombstones by kind, in the order of their last eviction. */
  readonly #tombstones = new Map<number, Set<AddressNumber>>()
  readonly #droppedUpTo = new Map<number, Offset>()
  #doubtUpTo: Offset = 0

  /** @param max Tombstones of each kind of address at most. */
  constructor (max = MAX_TOMBSTONES) {
    this.#max = max
  }

  /** The number of an address; undefined for an unknown one. */
  find (key: AddressKey): AddressNumber | undefined {
    const number = this.#names.find(key)
    return number === NO_NAME ? undefined : number
  }

  /** The number of an address, which is new when it is not known. */
  resolve (key: AddressKey): AddressNumber {
    return this.#names.resolve(key, this.#create)
  }

  /** Sets the numbers of many addresses; see `NameTable.resolveAll`. */
  resolveAll (names: PackedNames, numbers: Uint32Array): void {
    this.#names.resolveAll(names, numbers, this.#create)
  }

  name (number: AddressNumber): AddressKey {
    return this.#names.name(number)
  }

  /** The first record of an address; NONE without one. */
  first (number: AddressNumber): RecordRef {
    return this.#words[ROW_WORDS * number + WORD.first] as RecordRef
  }

  setFirst (number: AddressNumber, ref: RecordRef): void {
    this.#words[ROW_WORDS * number + WORD.first] = ref
  }

  /** The last record of an address; NONE without one. */
  last (number: AddressNumber): RecordRef {
    return this.#words[ROW_WORDS * number + WORD.last] as RecordRef
  }

  setLast (number: AddressNumber, ref: RecordRef): void {
    this.#words[ROW_WORDS * number + WORD.last] = ref
  }

  /** Records of an address. */
  count (number: AddressNumber): number {
    return this.#words[ROW_WORDS * number + WORD.count] as number
  }

  /** Number of the next record of an address. */
  sequence (number: AddressNumber): number {
    return this.#words[ROW_WORDS * number + WORD.sequence] as number
  }

  /** Whether a record left an address from behind an older one, which is still there. */
  hasHoles (number: AddressNumber): boolean {
    return this.#words[ROW_WORDS * number + WORD.holes] !== 0
  }

  /** Retention class of an address: 1 for users. */
  retentionClass (number: AddressNumber): number {
    return this.#kind(number) === USER_KIND ? 1 : 0
  }

  /** Counts a new record of an address. Returns its number at the address. */
  noteAdded (number: AddressNumber): number {
    const row = ROW_WORDS * number
    const sequence = this.#words[row + WORD.sequence] as number
    if (this.#words[row + WORD.count] === 0 && this.#evictedOf(number) > 0) {
      this.#tombstones.get(this.#kind(number))?.delete(number)
    }
    this.#words[row + WORD.count] = (this.#words[row + WORD.count] as number) + 1
    this.#words[row + WORD.sequence] = sequence + 1
    return sequence
  }

  /** Counts a record that left an address. `hasOlder`: whether it left from behind an older one. */
  noteRemoved (number: AddressNumber, hasOlder: boolean): void {
    const row = ROW_WORDS * number
    const count = (this.#words[row + WORD.count] as number) - 1
    this.#words[row + WORD.count] = count
    if (count === 0) this.#words[row + WORD.holes] = 0
    else if (hasOlder) this.#words[row + WORD.holes] = (this.#words[row + WORD.holes] as number) + 1
  }

  /** Adds evictions. `upTo` is the offset of the message; 0 for an expired message, which no reader misses. */
  evict (number: AddressNumber, upTo: Offset, count = 1): void {
    this.#setEvicted(number, this.#evictedOf(number) + count, Math.max(upTo, this.#upToOf(number)))
    if (this.count(number) === 0) this.#bury(number)
  }

  /** Sets the evictions of an address. */
  restore (key: AddressKey, { count, upTo }: Evicted): void {
    const number = this.resolve(key)
    this.#setEvicted(number, count, upTo)
    if (this.count(number) === 0) this.settle(number)
  }

  /** Notes that the tombstones of a kind of address up to an offset were dropped. */
  restoreDropped (kind: number, upTo: Offset): void {
    this.#droppedUpTo.set(kind, Math.max(this.#droppedUpTo.get(kind) ?? 0, upTo))
  }

  /** Notes a gap up to an offset for every address. */
  doubt (upTo: Offset): void {
    this.#doubtUpTo = Math.max(this.#doubtUpTo, upTo)
  }

  /** The evictions of an address. */
  evicted (key: AddressKey): Evicted {
    const number = this.find(key)
    if (number === undefined) {
      return { count: 0, upTo: Math.max(this.#droppedUpTo.get(kindOf(key)) ?? 0, this.#doubtUpTo) }
    }
    return { count: this.#evictedOf(number), upTo: Math.max(this.#upToOf(number), this.#doubtUpTo) }
  }

  /** Forgets the evictions of an address: after a purge, no reader misses a message. */
  clearEvicted (number: AddressNumber): void {
    this.#setEvicted(number, 0, 0)
  }

  /** Notes that an address has no record any more: it becomes a tombstone, or is removed. */
  settle (number: AddressNumber): void {
    if (this.#evictedOf(number) > 0) this.#bury(number)
    else this.#remove(number)
  }

  /** The evictions of this moment. */
  snapshot (): EvictionSnapshot {
    const [nameOf, doubles] = [this.#names.snapshot(), this.#doubles.slice()]
    return {
      * entries () {
        for (let row = 0; row < doubles.length; row += ROW_DOUBLES) {
          const count = doubles[row + DOUBLE.evicted] as number
          const upTo = doubles[row + DOUBLE.upTo] as number
          // Without evictions of its own, an address may have the bound of the dropped tombstones.
          if (count > 0 || upTo > 0) yield [nameOf(row / ROW_DOUBLES), { count, upTo }]
        }
      },
      dropped: [...this.#droppedUpTo],
      doubtUpTo: this.#doubtUpTo
    }
  }

  /** Fills the row of a new address. A field, because it is handed to the table of names. */
  readonly #create = (number: AddressNumber): void => {
    const row = ROW_WORDS * number
    if (row >= this.#words.length) this.#grow()
    const kind = this.#names.firstByte(number)
    const words = this.#words
    words[row + WORD.first] = words[row + WORD.last] = NONE satisfies RecordRef
    words[row + WORD.count] = words[row + WORD.sequence] = words[row + WORD.holes] = 0
    words[row + WORD.kind] = kind
    this.#setEvicted(number, 0, this.#droppedUpTo.get(kind) ?? 0)
  }

  #kind (number: AddressNumber): number {
    return this.#words[ROW_WORDS * number + WORD.kind] as number
  }

  #evictedOf (number: AddressNumber): number {
    return this.#doubles[ROW_DOUBLES * number + DOUBLE.evicted] as number
  }

  #upToOf (number: AddressNumber): Offset {
    return this.#doubles[ROW_DOUBLES * number + DOUBLE.upTo] as number
  }

  #setEvicted (number: AddressNumber, count: number, upTo: Offset): void {
    this.#doubles[ROW_DOUBLES * number + DOUBLE.evicted] = count
    this.#doubles[ROW_DOUBLES * number + DOUBLE.upTo] = upTo
  }

  #bury (number: AddressNumber): void {
    const kind = this.#kind(number)
    const tombstones = this.#tombstones.get(kind) ?? new Set()
    this.#tombstones.set(kind, tombstones)
    tombstones.delete(number)
    tombstones.add(number)
    if (tombstones.size > this.#max * SLACK) this.#dropOldest(kind, tombstones)
  }

  #dropOldest (kind: number, tombstones: Set<AddressNumber>): void {
    for (const number of tombstones) {
      if (tombstones.size <= this.#max) break
      tombstones.delete(number)
      this.restoreDropped(kind, this.#upToOf(number))
      this.#remove(number)
    }
  }

  #remove (number: AddressNumber): void {
    this.#tombstones.get(this.#kind(number))?.delete(number)
    this.#setEvicted(number, 0, 0)
    this.#names.remove(number)
  }

  #grow (): void {
    const words = new Uint32Array(2 * this.#words.length)
    words.set(this.#words)
    this.#words = words
    this.#doubles = new Float64Array(words.buffer)
  }
}
