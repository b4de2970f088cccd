import type { Offset } from '../../../model/message.ts'
import type { Addresses, AddressNumber } from './addresses.ts'
import { NONE, RecordBlocks, refOf, type RecordBlock, type RecordRef } from './record-blocks.ts'

/** A record for a chain. */
export interface ChainRecord {
  readonly offset: Offset
  /** Time in ms since the epoch. */
  readonly at: number
  /** Bytes that count towards the size of the log, at least 1. */
  readonly bytes: number
  /** Position in the file of the record. */
  readonly position: number
  /** Number of the record in its sealed file. */
  readonly ordinal: number
}

/**
 * The records of an index: one chain for each address, in the order of the offsets, and all records in the order of the
 * offsets. A search in a chain follows shortcuts (the skew-binary jump pointers of E. W. Myers, "An applicative
 * random-access stack", 1983) and takes O(log n) steps.
 */
export class RecordChains {
  readonly #blocks: RecordBlocks
  readonly #addresses: Addresses
  /** The oldest record of each retention class. */
  readonly #oldest: RecordRef[]
  /** Blocks that may waste space. */
  readonly #sparse = new Set<RecordBlock>()

  /**
   * @param classes Number of retention classes.
   * @param maxBlockRecords Records in a block at most; smaller in tests.
   */
  constructor (addresses: Addresses, classes: number, maxBlockRecords?: number) {
    this.#addresses = addresses
    this.#blocks = new RecordBlocks(maxBlockRecords)
    this.#oldest = Array.from({ length: classes }, () => NONE)
  }

  /** Appends a record to the chain of an address. Offsets must rise. */
  append (address: AddressNumber, { offset, at, bytes, position, ordinal }: ChainRecord): void {
    const addresses = this.#addresses
    const block = this.#blocks.newest()
    const index = block.length++
    const ref = refOf(block, index)
    const previous = addresses.last[address] as RecordRef
    const sequence = addresses.sequence[address] as number
    block.living++
    block.offset[index] = offset
    block.at[index] = at
    block.bytes[index] = bytes
    block.position[index] = position
    block.ordinal[index] = ordinal
    block.address[index] = address
    block.previous[index] = previous
    block.next[index] = NONE
    block.sequence[index] = sequence
    block.jump[index] = previous === NONE ? NONE : this.#jumpBehind(previous)
    addresses.sequence[address] = sequence + 1
    addresses.last[address] = ref
    this.#setNext(address, previous, ref)
    if (previous === NONE) addresses.revive(address)
    addresses.count[address] = (addresses.count[address] as number) + 1
    const retentionClass = addresses.retentionClass[address] as number
    if (this.#oldest[retentionClass] === NONE) this.#oldest[retentionClass] = ref
    if (index > 0) return
    // The block before is full now, and its records may be gone already.
    const full = this.#blocks.ordered.at(-2)
    if (full !== undefined) this.#sparse.add(full)
  }

  /** Takes a record out of its chain. The caller settles an address without records, and calls `compact` later. */
  remove (ref: RecordRef): void {
    const block = this.#blocks.of(ref)
    const index = ref & 0xFFFF
    const address = block.address[index] as AddressNumber
    const addresses = this.#addresses
    const [previous, next] = [block.previous[index] as RecordRef, block.next[index] as RecordRef]
    this.#setNext(address, previous, next)
    this.#setPrevious(address, next, previous)
    if (previous !== NONE) addresses.holes[address] = (addresses.holes[address] as number) + 1
    const count = (addresses.count[address] as number) - 1
    addresses.count[address] = count
    if (count === 0) addresses.holes[address] = 0
    block.bytes[index] = 0
    block.living--
    const retentionClass = addresses.retentionClass[address] as number
    if (this.#oldest[retentionClass] === ref) this.#oldest[retentionClass] = this.#nextOf(retentionClass, block, index)
    if (2 * block.living < block.capacity) this.#sparse.add(block)
  }

  /** Replaces blocks that are mostly dead by smaller ones: references change. */
  compact (): void {
    if (this.#sparse.size === 0) return
    for (const block of this.#sparse) {
      this.#sparse.delete(block)
      const sparse = this.#blocks.sparse(block)
      if (sparse === null) continue
      const { from, to } = this.#blocks.replace(sparse.position, sparse.count)
      for (const one of from) {
        for (let index = 0; index < one.length; index++) if (one.bytes[index] !== 0) this.#move(one, index, to)
        this.#sparse.delete(one)
      }
      this.#blocks.drop(to.living === 0 ? [...from, to] : from)
    }
  }

  clear (): void {
    this.#blocks.clear()
    this.#sparse.clear()
    this.#oldest.fill(NONE)
  }

  /** The record at an offset; NONE without one. */
  find (offset: Offset): RecordRef {
    return this.#blocks.find(offset)
  }

  /** The oldest record of a retention class; NONE without one. */
  oldest (retentionClass: number): RecordRef {
    return this.#oldest[retentionClass] as RecordRef
  }

  /** The first record of an address above an offset; NONE without one. */
  firstAfter (address: AddressNumber, after: Offset): RecordRef {
    let ref = this.#addresses.last[address] as RecordRef
    if (ref === NONE || this.offset(ref) <= after) return NONE
    const first = this.#addresses.first[address] as RecordRef
    if (this.offset(first) > after) return first
    for (;;) {
      const block = this.#blocks.of(ref)
      const jump = block.jump[ref & 0xFFFF] as RecordRef
      if (this.#isOlder(jump, ref) && this.offset(jump) > after) {
        ref = jump
        continue
      }
      const previous = block.previous[ref & 0xFFFF] as RecordRef
      if (previous === NONE || this.offset(previous) <= after) return ref
      ref = previous
    }
  }

  /** The first record of an address; NONE without one. */
  first (address: AddressNumber): RecordRef {
    return this.#addresses.first[address] as RecordRef
  }

  /** The next record of the same address; NONE without one. */
  next (ref: RecordRef): RecordRef {
    return this.#blocks.of(ref).next[ref & 0xFFFF] as RecordRef
  }

  /** Visits the records above `after` and up to `upTo`, in the order of the offsets. */
  visit (after: Offset, upTo: Offset, visit: (block: RecordBlock, index: number) => void): void {
    const { ordered } = this.#blocks
    for (let position = this.#blocks.positionAfter(after); position < ordered.length; position++) {
      const block = ordered[position] as RecordBlock
      for (let index = block.indexAfter(after); index < block.length; index++) {
        if ((block.offset[index] as number) > upTo) return
        if (block.bytes[index] !== 0) visit(block, index)
      }
    }
  }

  offset (ref: RecordRef): Offset {
    return this.#blocks.of(ref).offset[ref & 0xFFFF] as number
  }

  at (ref: RecordRef): number {
    return this.#blocks.of(ref).at[ref & 0xFFFF] as number
  }

  bytes (ref: RecordRef): number {
    return this.#blocks.of(ref).bytes[ref & 0xFFFF] as number
  }

  position (ref: RecordRef): number {
    return this.#blocks.of(ref).position[ref & 0xFFFF] as number
  }

  setPosition (ref: RecordRef, position: number): void {
    this.#blocks.of(ref).position[ref & 0xFFFF] = position
  }

  ordinal (ref: RecordRef): number {
    return this.#blocks.of(ref).ordinal[ref & 0xFFFF] as number
  }

  address (ref: RecordRef): AddressNumber {
    return this.#blocks.of(ref).address[ref & 0xFFFF] as AddressNumber
  }

  /** Number of the record at its address: consecutive, but for the records that left from behind an older one. */
  sequence (ref: RecordRef): number {
    return this.#blocks.of(ref).sequence[ref & 0xFFFF] as number
  }

  /** The first record of a retention class behind another record. */
  #nextOf (retentionClass: number, block: RecordBlock, index: number): RecordRef {
    const { ordered } = this.#blocks
    let from = index + 1
    for (let position = ordered.indexOf(block); position < ordered.length; position++) {
      const one = ordered[position] as RecordBlock
      for (let at = from; at < one.length; at++) {
        if (one.bytes[at] === 0) continue
        if (this.#addresses.retentionClass[one.address[at] as number] === retentionClass) return refOf(one, at)
      }
      from = 0
    }
    return NONE
  }

  #move (from: RecordBlock, index: number, to: RecordBlock): void {
    const ref = refOf(to, to.copy(from, index))
    const address = from.address[index] as AddressNumber
    const [previous, next] = [from.previous[index] as RecordRef, from.next[index] as RecordRef]
    this.#setNext(address, previous, ref)
    this.#setPrevious(address, next, ref)
    const retentionClass = this.#addresses.retentionClass[address] as number
    if (this.#oldest[retentionClass] === refOf(from, index)) this.#oldest[retentionClass] = ref
  }

  /** Sets the record behind another one; without another one, the first record of the address. */
  #setNext (address: AddressNumber, previous: RecordRef, ref: RecordRef): void {
    if (previous === NONE) this.#addresses.first[address] = ref
    else this.#blocks.of(previous).next[previous & 0xFFFF] = ref
  }

  /** Sets the record in front of another one; without another one, the last record of the address. */
  #setPrevious (address: AddressNumber, next: RecordRef, ref: RecordRef): void {
    if (next === NONE) this.#addresses.last[address] = ref
    else this.#blocks.of(next).previous[next & 0xFFFF] = ref
  }

  /** The jump pointer of a new record behind another one. */
  #jumpBehind (previous: RecordRef): RecordRef {
    const jump = this.#blocks.of(previous).jump[previous & 0xFFFF] as RecordRef
    if (!this.#isOlder(jump, previous)) return previous
    const further = this.#blocks.of(jump).jump[jump & 0xFFFF] as RecordRef
    if (!this.#isOlder(further, jump)) return previous
    const [low, middle, high] = [this.sequence(further), this.sequence(jump), this.sequence(previous)]
    return high - middle === middle - low ? further : previous
  }

  /** Whether a jump pointer, which may be old, points to an older record of the same address. */
  #isOlder (jump: RecordRef, ref: RecordRef): boolean {
    return jump !== NONE && this.#blocks.isLiving(jump) &&
      this.address(jump) === this.address(ref) && this.offset(jump) < this.offset(ref)
  }
}
