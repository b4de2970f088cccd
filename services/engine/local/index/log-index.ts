import { addressKey, type AddressKey, type Offset } from '../../../model/message.ts'
import type { PageLimit, Range, Summary } from '../../store.ts'
import { Addresses, type EvictionSnapshot } from './addresses.ts'
import type { Evicted } from '../evicted.ts'
import { newBits, setBit } from '../collections/bits.ts'
import { ExpiryQueue } from '../collections/expiry-queue.ts'
import { Heap } from '../collections/heap.ts'
import type { AddressNumber, IndexRecord, LivingRecords, NewRecord, RemovalHandler, Selection } from './index-record.ts'
import { MESSAGE_BYTES } from '../message-form.ts'
import type { PackedNames } from './name-table.ts'
import { NONE, type RecordRef } from './record-blocks.ts'
import { RecordChains } from './record-chains.ts'
import { RETENTION_CLASSES, type Limits, type Retention } from '../retention.ts'
import { textBytes } from '../text.ts'

/** Settings of an index, beside the retention. */
export interface IndexOptions {
  /** Tombstones of each kind of address at most; see `Addresses`. */
  readonly maxTombstones?: number
  /** Records in a block at most; smaller in tests. */
  readonly maxBlockRecords?: number
}

/** A range with its next record. */
interface RangeCursor {
  ref: RecordRef
  offset: Offset
  readonly upTo: Offset
  /** Records from before are over age. */
  readonly since: number
  readonly key: AddressKey
  /** Bytes of each record that are not its options and payload. */
  readonly overhead: number
}

/** The messages of an address that reads hide before a record evicts them. */
interface Hidden {
  readonly count: number
  /** Greatest offset of a message over age; 0 without one. */
  readonly missedUpTo: Offset
}

const NOTHING_HIDDEN: Hidden = { count: 0, missedUpTo: 0 }

/**
 * The index of a log: for each message its address, offset, time, size and place, without the payload. Finds, pages,
 * counts and evicts. Deterministic: the same calls give the same content and the same evictions.
 */
export class LogIndex {
  readonly #limits: readonly Limits[]
  readonly #maxBytes: number
  readonly #addresses: Addresses
  readonly #chains: RecordChains
  readonly #untils = new Map<Offset, number>()
  readonly #expiries = new ExpiryQueue<Offset>((offset, at) => this.#untils.get(offset) === at)
  #onRemove: RemovalHandler = () => {}
  #bytes = 0
  #lastOffset: Offset = 0

  constructor (retention: Retention, { maxTombstones, maxBlockRecords }: IndexOptions = {}) {
    this.#limits = RETENTION_CLASSES.map((one) => retention[one])
    this.#maxBytes = retention.maxBytes
    this.#addresses = new Addresses(maxTombstones)
    this.#chains = new RecordChains(this.#addresses, RETENTION_CLASSES.length, maxBlockRecords)
  }

  /** Bytes of all records. */
  get bytes (): number {
    return this.#bytes
  }

  /** Offset of the record that was added last; 0 without one. */
  get lastOffset (): Offset {
    return this.#lastOffset
  }

  /** Sets the handler for records that leave the index. */
  onRemove (handler: RemovalHandler): void {
    this.#onRemove = handler
  }

  /** Adds a record. Offsets must rise. Evicts nothing. Returns the number of the address, for `evict`. */
  add (key: AddressKey, record: NewRecord): AddressNumber {
    const address = this.#addresses.resolve(key)
    this.addTo(address, record)
    return address
  }

  /** Sets the numbers of many addresses, valid while they have records; see `NameTable.resolveAll`. */
  resolveAll (names: PackedNames, numbers: Uint32Array): void {
    this.#addresses.resolveAll(names, numbers)
  }

  /** Adds a record to an address that was looked up before: faster than `add` for many records of few addresses. */
  addTo (address: AddressNumber, record: NewRecord): void {
    const { offset, until, bytes } = record
    this.#chains.append(address, record)
    this.#lastOffset = offset
    this.#bytes += bytes
    if (until === Infinity) return
    this.#untils.set(offset, until)
    this.#expiries.add(offset, until)
  }

  /**
   * Evicts for a record with the time `at`: expired records, records over age, records over count at the address of an
   * added record, and the oldest over the bytes of the log.
   */
  evict (at: number, address?: AddressNumber): void {
    for (const offset of this.#expiries.take(at)) this.#evict(this.#chains.find(offset), 0)
    for (let one = 0; one < this.#limits.length; one++) this.#evictOverAge(one, at)
    if (address !== undefined) this.#evictOverCount(address)
    while (this.#bytes > this.#maxBytes) this.#evictMissed(this.#oldestOfAll())
    this.#chains.compact()
  }

  /** Takes a record out that was not stored or is damaged: readers get a gap. */
  lose (offset: Offset): void {
    this.#evict(this.#chains.find(offset), offset)
    this.#chains.compact()
  }

  /** Counts messages of an address that the log never had: readers get a gap up to the offset. */
  miss (key: AddressKey, upTo: Offset, count = 1): void {
    this.#addresses.evict(this.#addresses.resolve(key), upTo, count)
  }

  /** Notes a gap up to an offset for every address. */
  doubt (upTo: Offset): void {
    this.#addresses.doubt(upTo)
  }

  /** Removes the records and the evictions of an address. Returns how many records were readable at `now`. */
  purge (key: AddressKey, now: number): number {
    const address = this.#addresses.find(key)
    if (address === undefined) return 0
    const count = this.#addresses.count(address) - this.#hidden(address, now).count
    for (let ref = this.#chains.first(address); ref !== NONE;) {
      const next = this.#chains.next(ref)
      this.#remove(ref)
      ref = next
    }
    this.#addresses.clearEvicted(address)
    this.#addresses.settle(address)
    this.#chains.compact()
    return count
  }

  /** Finds a record that is readable at `now`. */
  find (offset: Offset, now: number): IndexRecord | undefined {
    const ref = this.#chains.find(offset)
    if (ref === NONE) return undefined
    const address = this.#chains.address(ref)
    if (!this.#isReadable(ref, this.#since(address, now), now)) return undefined
    return this.#recordAt(ref, this.#addresses.name(address))
  }

  /**
   * Selects one page of the records that are readable at `now`. `head`: the `upTo` of a page that reaches the end of
   * every range.
   */
  select (ranges: readonly Range[], limit: PageLimit, head: Offset, now: number): Selection {
    let gapUpTo = 0
    const heap = new Heap<RangeCursor>((cursor) => cursor.offset)
    for (const range of ranges) {
      const key = addressKey(range.address)
      const address = this.#addresses.find(key)
      gapUpTo = Math.max(gapUpTo, this.#gapUpTo(key, address, range, now))
      const cursor = address === undefined ? null : this.#cursor(key, address, range, now)
      if (cursor !== null) heap.push(cursor)
    }
    const records: IndexRecord[] = []
    let bytes = 0
    let last: Offset = 0
    for (let first = heap.first; first !== undefined; first = heap.first) {
      // Two ranges of the same address yield each record twice.
      if (first.offset !== last) {
        const record = this.#recordAt(first.ref, first.key)
        bytes += record.bytes - first.overhead
        const isFull = records.length >= limit.messages || bytes > limit.bytes
        if (isFull && records.length > 0) return { records, upTo: last, gapUpTo }
        records.push(record)
        last = first.offset
      }
      this.#settleCursor(first, this.#chains.next(first.ref), now)
      if (first.ref === NONE) heap.shift()
      else heap.settleFirst()
    }
    return { records, upTo: head, gapUpTo }
  }

  /** Counts the records of a range that are readable at `now`. */
  summary ({ address, after, upTo = Infinity }: Range, now: number): Summary {
    const key = addressKey(address)
    const number = this.#addresses.find(key)
    const evicted = this.#addresses.evicted(key)
    if (number === undefined) return { count: 0, oldest: 0, evicted }
    const hidden = this.#hidden(number, now)
    const { count, oldest } = this.#count(number, after, upTo, now, hidden.count > 0)
    const missedUpTo = Math.max(evicted.upTo, hidden.missedUpTo)
    return { count, oldest, evicted: { count: evicted.count + hidden.count, upTo: missedUpTo } }
  }

  /** Sets the position of a record in its file. */
  setPosition (offset: Offset, position: number): void {
    const ref = this.#chains.find(offset)
    if (ref !== NONE) this.#chains.setPosition(ref, position)
  }

  /** The offsets of the records above `after` and up to `upTo`. */
  living (after: Offset, upTo: Offset): Float64Array {
    const offsets: number[] = []
    this.#chains.visit(after, upTo, (block, index) => offsets.push(block.offset(index)))
    return Float64Array.from(offsets)
  }

  /**
   * Sets the positions of the records of a file that was sealed, and their places in `offsets` as their ordinals.
   * `offsets`: those of all records in the file, rising. Returns the records that the index has.
   */
  relocate (offsets: Float64Array, positions: Uint32Array): LivingRecords {
    const bits = newBits(offsets.length)
    let [ordinal, bytes] = [0, 0]
    this.#chains.visit((offsets[0] ?? 0) - 1, offsets.at(-1) ?? 0, (block, index) => {
      const offset = block.offset(index)
      while ((offsets[ordinal] ?? Infinity) < offset) ordinal++
      if (offsets[ordinal] !== offset) return
      block.setPosition(index, positions[ordinal] as number)
      block.setOrdinal(index, ordinal)
      setBit(bits, ordinal)
      bytes += block.bytes(index)
    })
    return { bits, bytes }
  }

  /** The evictions of this moment. */
  evictions (): EvictionSnapshot {
    return this.#addresses.snapshot()
  }

  /** Sets the evictions of an address, as an earlier process knew them. */
  restoreEvictions (key: AddressKey, evicted: Evicted): void {
    this.#addresses.restore(key, evicted)
  }

  /** Notes the bound of dropped tombstones of a kind of address, as an earlier process knew it. */
  restoreDropped (kind: number, upTo: Offset): void {
    this.#addresses.restoreDropped(kind, upTo)
  }

  /** Removes all records. */
  clear (): void {
    this.#chains.clear()
    this.#untils.clear()
    this.#expiries.clear()
    this.#bytes = 0
  }

  #evictOverAge (retentionClass: number, at: number): void {
    const since = at - (this.#limits[retentionClass] as Limits).maxAgeMs
    let oldest = this.#chains.oldest(retentionClass)
    for (; oldest !== NONE && this.#chains.at(oldest) < since; oldest = this.#chains.oldest(retentionClass)) {
      this.#evictMissed(oldest)
    }
  }

  #evictOverCount (address: AddressNumber): void {
    const { maxCount } = this.#limits[this.#addresses.retentionClass(address)] as Limits
    while (this.#addresses.count(address) > maxCount) {
      this.#evictMissed(this.#chains.first(address))
    }
  }

  #oldestOfAll (): RecordRef {
    let oldest = NONE
    for (let one = 0; one < this.#limits.length; one++) {
      const ref = this.#chains.oldest(one)
      if (ref !== NONE && (oldest === NONE || this.#chains.offset(ref) < this.#chains.offset(oldest))) oldest = ref
    }
    return oldest
  }

  #evictMissed (ref: RecordRef): void {
    this.#evict(ref, this.#chains.offset(ref))
  }

  /** `upTo`: the offset that readers miss; 0 for an expired record. */
  #evict (ref: RecordRef, upTo: Offset): void {
    if (ref === NONE) return
    const address = this.#chains.address(ref)
    this.#remove(ref)
    this.#addresses.evict(address, upTo)
  }

  /** Removes a record. The caller settles an address without records. */
  #remove (ref: RecordRef): void {
    const offset = this.#chains.offset(ref)
    this.#bytes -= this.#chains.bytes(ref)
    if (this.#untils.size > 0) this.#untils.delete(offset)
    this.#onRemove(offset, this.#chains.ordinal(ref), this.#chains.bytes(ref))
    this.#chains.remove(ref)
  }

  #cursor (
    key: AddressKey, address: AddressNumber, { after, upTo = Infinity }: Range, now: number
  ): RangeCursor | null {
    const since = this.#since(address, now)
    const cursor = { ref: NONE, offset: 0, upTo, since, key, overhead: MESSAGE_BYTES + textBytes(key) }
    this.#settleCursor(cursor, this.#chains.firstAfter(address, after), now)
    return cursor.ref === NONE ? null : cursor
  }

  /** Moves a cursor to the first readable record from a record on. */
  #settleCursor (cursor: RangeCursor, from: RecordRef, now: number): void {
    let ref = from
    while (ref !== NONE && !this.#isReadable(ref, cursor.since, now)) ref = this.#chains.next(ref)
    cursor.offset = ref === NONE ? Infinity : this.#chains.offset(ref)
    cursor.ref = cursor.offset > cursor.upTo ? NONE : ref
  }

  /** The greatest offset of a record that a reader of this range misses; 0 without one. */
  #gapUpTo (
    key: AddressKey, address: AddressNumber | undefined, { after, upTo = Infinity }: Range, now: number
  ): Offset {
    const hidden = address === undefined ? NOTHING_HIDDEN : this.#hiddenOverAge(address, now)
    const missedUpTo = Math.max(this.#addresses.evicted(key).upTo, hidden.missedUpTo)
    return missedUpTo > after ? Math.min(missedUpTo, upTo) : 0
  }

  /** The records of an address that are over age or have expired at `now`. */
  #hidden (address: AddressNumber, now: number): Hidden {
    if (!this.#expiries.isAnyDue(now)) return this.#hiddenOverAge(address, now)
    const since = this.#since(address, now)
    let [count, missedUpTo] = [0, 0]
    for (let ref = this.#chains.first(address); ref !== NONE; ref = this.#chains.next(ref)) {
      const offset = this.#chains.offset(ref)
      const isExpired = this.#untilOf(offset) <= now
      const isOld = this.#chains.at(ref) < since
      if (isOld && !isExpired) missedUpTo = offset
      if (isOld || isExpired) count++
    }
    return { count, missedUpTo }
  }

  /** The records of an address that are over age at `now`: the first ones. */
  #hiddenOverAge (address: AddressNumber, now: number): Hidden {
    const since = this.#since(address, now)
    let [count, missedUpTo] = [0, 0]
    let ref = this.#chains.first(address)
    for (; ref !== NONE && this.#chains.at(ref) < since; ref = this.#chains.next(ref)) {
      const offset = this.#chains.offset(ref)
      if (this.#untilOf(offset) > now) missedUpTo = offset
      count++
    }
    return count === 0 ? NOTHING_HIDDEN : { count, missedUpTo }
  }

  #count (
    address: AddressNumber, after: Offset, upTo: Offset, now: number, hasHidden: boolean
  ): { readonly count: number, readonly oldest: Offset } {
    const chains = this.#chains
    let ref = chains.firstAfter(address, after)
    if (ref === NONE || chains.offset(ref) > upTo) return { count: 0, oldest: 0 }
    if (!hasHidden && !this.#addresses.hasHoles(address)) {
      const behind = upTo === Infinity ? NONE : chains.firstAfter(address, upTo)
      const end = behind === NONE ? this.#addresses.sequence(address) : chains.sequence(behind)
      return { count: end - chains.sequence(ref), oldest: chains.offset(ref) }
    }
    const since = this.#since(address, now)
    let [count, oldest] = [0, 0]
    for (; ref !== NONE && chains.offset(ref) <= upTo; ref = chains.next(ref)) {
      if (this.#isReadable(ref, since, now) && count++ === 0) oldest = chains.offset(ref)
    }
    return { count, oldest }
  }

  #recordAt (ref: RecordRef, key: AddressKey): IndexRecord {
    const chains = this.#chains
    const offset = chains.offset(ref)
    return { key, offset, at: chains.at(ref), bytes: chains.bytes(ref), position: chains.position(ref) }
  }

  #isReadable (ref: RecordRef, since: number, now: number): boolean {
    return this.#chains.at(ref) >= since && this.#untilOf(this.#chains.offset(ref)) > now
  }

  /** The time since which records of an address are not over age. */
  #since (address: AddressNumber, now: number): number {
    return now - (this.#limits[this.#addresses.retentionClass(address)] as Limits).maxAgeMs
  }

  #untilOf (offset: Offset): number {
    return this.#untils.size === 0 ? Infinity : this.#untils.get(offset) ?? Infinity
  }
}
