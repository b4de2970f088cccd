import type { AddressKey, Offset } from '../../../model/message.ts'
import { kindOf, MAX_EVICTIONS, SLACK, type Evicted } from '../evictions.ts'
import { grown, NONE, type RecordRef } from './record-blocks.ts'

/** Number of an address in an index. Numbers are reused. */
export type AddressNumber = number

const FIRST_ADDRESSES = 64

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
 * The addresses of an index: their chains of records, and their evictions. An address without records and with
 * evictions is a tombstone. The number of tombstones is bounded for each kind of address; for the dropped ones of a
 * kind one offset is kept, the greatest: an address that is not known has a gap up to that offset. A false gap is
 * acceptable, a missed gap is not.
 */
export class Addresses {
  readonly #max: number
  readonly #numbers = new Map<AddressKey, AddressNumber>()
  readonly #names: AddressKey[] = []
  readonly #free: AddressNumber[] = []
  /** Tombstones by kind, in the order of their last eviction. */
  readonly #tombstones = new Map<number, Set<AddressNumber>>()
  readonly #droppedUpTo = new Map<number, Offset>()
  #doubtUpTo: Offset = 0
  /** The ends of the chain of an address. */
  first = new Uint32Array(FIRST_ADDRESSES)
  last = new Uint32Array(FIRST_ADDRESSES)
  /** Records of an address. */
  count = new Uint32Array(FIRST_ADDRESSES)
  /** Number of the next record of an address. */
  sequence = new Uint32Array(FIRST_ADDRESSES)
  /** Records that left an address from behind an older one. */
  holes = new Uint32Array(FIRST_ADDRESSES)
  /** Retention class of an address: 1 for users. */
  retentionClass = new Uint8Array(FIRST_ADDRESSES)
  #evicted = new Float64Array(FIRST_ADDRESSES)
  #upTo = new Float64Array(FIRST_ADDRESSES)

  /** @param max Tombstones of each kind of address at most. */
  constructor (max = MAX_EVICTIONS) {
    this.#max = max
  }

  find (key: AddressKey): AddressNumber | undefined {
    return this.#numbers.get(key)
  }

  name (number: AddressNumber): AddressKey {
    return this.#names[number] as AddressKey
  }

  /** The number of an address, which is new when it is not known. */
  resolve (key: AddressKey): AddressNumber {
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.#free.pop() ?? this.#names.length
    if (number >= this.first.length) this.#grow()
    this.#numbers.set(key, number)
    this.#names[number] = key
    this.first[number] = this.last[number] = NONE satisfies RecordRef
    this.count[number] = this.sequence[number] = this.holes[number] = 0
    this.retentionClass[number] = key.startsWith('user:') ? 1 : 0
    this.#evicted[number] = 0
    this.#upTo[number] = this.#droppedUpTo.get(kindOf(key)) ?? 0
    return number
  }

  /** Adds evictions. `upTo` is the offset of the message; 0 for an expired message, which no reader misses. */
  evict (number: AddressNumber, upTo: Offset, count = 1): void {
    this.#evicted[number] = (this.#evicted[number] as number) + count
    if (upTo > (this.#upTo[number] as number)) this.#upTo[number] = upTo
    if (this.count[number] === 0) this.#bury(number)
  }

  /** Sets the evictions of an address. */
  restore (key: AddressKey, { count, upTo }: Evicted): void {
    const number = this.resolve(key)
    this.#evicted[number] = count
    this.#upTo[number] = upTo
    if (this.count[number] === 0) this.settle(number)
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
    const number = this.#numbers.get(key)
    if (number === undefined) {
      return { count: 0, upTo: Math.max(this.#droppedUpTo.get(kindOf(key)) ?? 0, this.#doubtUpTo) }
    }
    return { count: this.#evicted[number] as number, upTo: Math.max(this.#upTo[number] as number, this.#doubtUpTo) }
  }

  /** Forgets the evictions of an address: after a purge, no reader misses a message. */
  clearEvicted (number: AddressNumber): void {
    this.#evicted[number] = this.#upTo[number] = 0
  }

  /** Notes that an address has a record. */
  revive (number: AddressNumber): void {
    if ((this.#evicted[number] as number) > 0) this.#tombstones.get(kindOf(this.name(number)))?.delete(number)
  }

  /** Notes that an address has no record any more: it becomes a tombstone, or is removed. */
  settle (number: AddressNumber): void {
    if ((this.#evicted[number] as number) > 0) this.#bury(number)
    else this.#remove(number)
  }

  /** The evictions of this moment. */
  snapshot (): EvictionSnapshot {
    const names = this.#names.slice()
    const [evicted, upTo] = [this.#evicted.slice(0, names.length), this.#upTo.slice(0, names.length)]
    return {
      * entries () {
        for (let number = 0; number < names.length; number++) {
          const count = evicted[number] as number
          if (count > 0) yield [names[number] as AddressKey, { count, upTo: upTo[number] as number }]
        }
      },
      dropped: [...this.#droppedUpTo],
      doubtUpTo: this.#doubtUpTo
    }
  }

  #bury (number: AddressNumber): void {
    const kind = kindOf(this.name(number))
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
      this.restoreDropped(kind, this.#upTo[number] as number)
      this.#remove(number)
    }
  }

  #remove (number: AddressNumber): void {
    const name = this.name(number)
    this.#tombstones.get(kindOf(name))?.delete(number)
    this.#numbers.delete(name)
    this.#names[number] = ''
    this.#evicted[number] = this.#upTo[number] = 0
    this.#free.push(number)
  }

  #grow (): void {
    const length = 2 * this.first.length
    this.first = grown(this.first, new Uint32Array(length))
    this.last = grown(this.last, new Uint32Array(length))
    this.count = grown(this.count, new Uint32Array(length))
    this.sequence = grown(this.sequence, new Uint32Array(length))
    this.holes = grown(this.holes, new Uint32Array(length))
    this.retentionClass = grown(this.retentionClass, new Uint8Array(length))
    this.#evicted = grown(this.#evicted, new Float64Array(length))
    this.#upTo = grown(this.#upTo, new Float64Array(length))
  }
}
