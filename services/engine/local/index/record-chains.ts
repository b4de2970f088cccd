import type { Offset } from '../../../model/message.ts'
import type { Addresses } from './addresses.ts'
import type { AddressNumber, NewRecord } from './index-record.ts'
import { NONE, RecordBlocks, refOf, type RecordBlock, type RecordRef } from './record-blocks.ts'

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
  append (address: AddressNumber, record: NewRecord): void {
    const addresses = this.#addresses
    const previous = addresses.last(address)
    const jump = previous === NONE ? NONE : this.#jumpBehind(previous)
    const block = this.#blocks.newest()
    const index = block.add(record, { address, previous, jump, sequence: addresses.noteAdded(address) })
    const ref = refOf(block, index)
    addresses.setLast(address, ref)
    this.#setNext(address, previous, ref)
    const retentionClass = addresses.retentionClass(address)
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
    const address = block.address(index)
    const [previous, next] = [block.previous(index), block.next(index)]
    this.#setNext(address, previous, next)
    this.#setPrevious(address, next, previous)
    this.#addresses.noteRemoved(address, previous !== NONE)
    block.kill(index)
    const retentionClass = this.#addresses.retentionClass(address)
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
        for (let index = 0; index < one.length; index++) if (one.isLiving(index)) this.#move(one, index, to)
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
    let ref = this.#addresses.last(address)
    if (ref === NONE || this.offset(ref) <= after) return NONE
    const first = this.#addresses.first(address)
    if (this.offset(first) > after) return first
    for (;;) {
      const block = this.#blocks.of(ref)
      const jump = block.jump(ref & 0xFFFF)
      if (this.#isOlder(jump, block, ref & 0xFFFF) && this.offset(jump) > after) {
        ref = jump
        continue
      }
      const previous = block.previous(ref & 0xFFFF)
      if (previous === NONE || this.offset(previous) <= after) return ref
      ref = previous
    }
  }

  /** The first record of an address; NONE without one. */
  first (address: AddressNumber): RecordRef {
    return this.#addresses.first(address)
  }

  /** The next record of the same address; NONE without one. */
  next (ref: RecordRef): RecordRef {
    return this.#blocks.of(ref).next(ref & 0xFFFF)
  }

  /** Visits the records above `after` and up to `upTo`, in the order of the offsets. */
  visit (after: Offset, upTo: Offset, visit: (block: RecordBlock, index: number) => void): void {
    const { ordered } = this.#blocks
    for (let position = this.#blocks.positionAfter(after); position < ordered.length; position++) {
      const block = ordered[position] as RecordBlock
      for (let index = block.indexAfter(after); index < block.length; index++) {
        if (block.offset(index) > upTo) return
        if (block.isLiving(index)) visit(block, index)
      }
    }
  }

  offset (ref: RecordRef): Offset {
    return this.#blocks.of(ref).offset(ref & 0xFFFF)
  }

  at (ref: RecordRef): number {
    return this.#blocks.of(ref).at(ref & 0xFFFF)
  }

  bytes (ref: RecordRef): number {
    return this.#blocks.of(ref).bytes(ref & 0xFFFF)
  }

  position (ref: RecordRef): number {
    return this.#blocks.of(ref).position(ref & 0xFFFF)
  }

  setPosition (ref: RecordRef, position: number): void {
    this.#blocks.of(ref).setPosition(ref & 0xFFFF, position)
  }

  ordinal (ref: RecordRef): number {
    return this.#blocks.of(ref).ordinal(ref & 0xFFFF)
  }

  address (ref: RecordRef): AddressNumber {
    return this.#blocks.of(ref).address(ref & 0xFFFF)
  }

  /** Number of the record at its address: consecutive, but for the records that left from behind an older one. */
  sequence (ref: RecordRef): number {
    return this.#blocks.of(ref).sequence(ref & 0xFFFF)
  }

  /** The first record of a retention class behind another record. */
  #nextOf (retentionClass: number, block: RecordBlock, index: number): RecordRef {
    const { ordered } = this.#blocks
    let from = index + 1
    for (let position = ordered.indexOf(block); position < ordered.length; position++) {
      const one = ordered[position] as RecordBlock
      for (let at = from; at < one.length; at++) {
        if (!one.isLiving(at)) continue
        if (this.#addresses.retentionClass(one.address(at)) === retentionClass) return refOf(one, at)
      }
      from = 0
    }
    return NONE
  }

  #move (from: RecordBlock, index: number, to: RecordBlock): void {
    const ref = refOf(to, to.copy(from, index))
    const address = from.address(index)
    const [previous, next] = [from.previous(index), from.next(index)]
    this.#setNext(address, previous, ref)
    this.#setPrevious(address, next, ref)
    const retentionClass = this.#addresses.retentionClass(address)
    if (this.#oldest[retentionClass] === refOf(from, index)) this.#oldest[retentionClass] = ref
  }

  /** Sets the record behind another one; without another one, the first record of the address. */
  #setNext (address: AddressNumber, previous: RecordRef, ref: RecordRef): void {
    if (previous === NONE) this.#addresses.setFirst(address, ref)
    else this.#blocks.of(previous).setNext(previous & 0xFFFF, ref)
  }

  /** Sets the record in front of another one; without another one, the last record of the address. */
  #setPrevious (address: AddressNumber, next: RecordRef, ref: RecordRef): void {
    if (next === NONE) this.#addresses.setLast(address, ref)
    else this.#blocks.of(next).setPrevious(next & 0xFFFF, ref)
  }

  /** The jump pointer of a new record behind another one. */
  #jumpBehind (previous: RecordRef): RecordRef {
    const block = this.#blocks.of(previous)
    const index = previous & 0xFFFF
    const jump = block.jump(index)
    if (!this.#isOlder(jump, block, index)) return previous
    const jumpBlock = this.#blocks.of(jump)
    const jumpIndex = jump & 0xFFFF
    const further = jumpBlock.jump(jumpIndex)
    if (!this.#isOlder(further, jumpBlock, jumpIndex)) return previous
    const middle = jumpBlock.sequence(jumpIndex)
    return block.sequence(index) - middle === middle - this.sequence(further) ? further : previous
  }

  /** Whether a jump pointer, which may be old, points to an older record of the same address as another record. */
  #isOlder (jump: RecordRef, block: RecordBlock, index: number): boolean {
    if (jump === NONE) return false
    const target = this.#blocks.livingOf(jump)
    return target !== undefined && target.address(jump & 0xFFFF) === block.address(index) &&
      target.offset(jump & 0xFFFF) < block.offset(index)
  }
}
