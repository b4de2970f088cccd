import type { Offset } from '../../../model/message.ts'
import { NO_ORDINAL, type AddressNumber, type NewRecord } from './index-record.ts'

/** Reference to a record: number of its block * 65 536 + index in the block. */
export type RecordRef = number

/** The reference of no record. */
export const NONE: RecordRef = 0xFFFF_FFFF
/** Numbers of indexes in a reference. */
const INDEXES = 65_536
/** Records in a block at most: a compaction of so many takes a few ms. */
const MAX_RECORDS = 16_384
const FIRST_RECORDS = 64

/** The neighbours of a record in the chain of its address. */
export interface Link {
  readonly address: AddressNumber
  readonly previous: RecordRef
  readonly jump: RecordRef
  /** Number of the record at its address. */
  readonly sequence: number
}

/** Layout of a row: two doubles, and eight words behind them. */
const ROW_DOUBLES = 6
const DOUBLE = { offset: 0, at: 1 } as const
const ROW_WORDS = 12
const WORD = { bytes: 4, position: 5, ordinal: 6, address: 7, previous: 8, next: 9, jump: 10, sequence: 11 } as const

/** Records in the order of their offsets, one row of 48 bytes each. A record without bytes is dead. */
export class RecordBlock {
  readonly number: number
  #capacity: number
  #length = 0
  #living = 0
  #words: Uint32Array
  #doubles: Float64Array

  constructor (number: number, capacity: number) {
    this.number = number
    this.#capacity = capacity
    this.#doubles = new Float64Array(ROW_DOUBLES * capacity)
    this.#words = new Uint32Array(this.#doubles.buffer)
  }

  get capacity (): number {
    return this.#capacity
  }

  /** Records, dead ones included. */
  get length (): number {
    return this.#length
  }

  get living (): number {
    return this.#living
  }

  get lastOffset (): Offset {
    return this.#length === 0 ? 0 : this.offset(this.#length - 1)
  }

  /** Index of the first record above an offset, dead or alive. */
  indexAfter (offset: Offset): number {
    let low = 0
    let high = this.#length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.offset(middle) > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  /** Adds a record behind the last one. Returns its index. */
  add (record: NewRecord, { address, previous, jump, sequence }: Link): number {
    const { offset, at, bytes, position = 0, ordinal = NO_ORDINAL } = record
    const index = this.#length++
    this.#living++
    this.#doubles[ROW_DOUBLES * index + DOUBLE.offset] = offset
    this.#doubles[ROW_DOUBLES * index + DOUBLE.at] = at
    const row = ROW_WORDS * index
    const words = this.#words
    words[row + WORD.bytes] = bytes
    words[row + WORD.position] = position
    words[row + WORD.ordinal] = ordinal
    words[row + WORD.address] = address
    words[row + WORD.previous] = previous
    words[row + WORD.next] = NONE
    words[row + WORD.jump] = jump
    words[row + WORD.sequence] = sequence
    return index
  }

  /** Copies a record of another block behind the last record. Returns its index. */
  copy (from: RecordBlock, index: number): number {
    const row = ROW_WORDS * index
    this.#words.set(from.#words.subarray(row, row + ROW_WORDS), ROW_WORDS * this.#length)
    this.#living++
    return this.#length++
  }

  /** Makes a record dead. */
  kill (index: number): void {
    this.#words[ROW_WORDS * index + WORD.bytes] = 0
    this.#living--
  }

  isLiving (index: number): boolean {
    return this.bytes(index) !== 0
  }

  offset (index: number): Offset {
    return this.#doubles[ROW_DOUBLES * index + DOUBLE.offset] as number
  }

  /** Time in ms since the epoch. */
  at (index: number): number {
    return this.#doubles[ROW_DOUBLES * index + DOUBLE.at] as number
  }

  /** Bytes that count towards the size of the log; 0 for a dead record. */
  bytes (index: number): number {
    return this.#words[ROW_WORDS * index + WORD.bytes] as number
  }

  /** Position in the file of the record. */
  position (index: number): number {
    return this.#words[ROW_WORDS * index + WORD.position] as number
  }

  setPosition (index: number, position: number): void {
    this.#words[ROW_WORDS * index + WORD.position] = position
  }

  /** Number of the record in its sealed file. */
  ordinal (index: number): number {
    return this.#words[ROW_WORDS * index + WORD.ordinal] as number
  }

  setOrdinal (index: number, ordinal: number): void {
    this.#words[ROW_WORDS * index + WORD.ordinal] = ordinal
  }

  address (index: number): AddressNumber {
    return this.#words[ROW_WORDS * index + WORD.address] as AddressNumber
  }

  /** The record before at the same address; NONE for the first. */
  previous (index: number): RecordRef {
    return this.#words[ROW_WORDS * index + WORD.previous] as RecordRef
  }

  setPrevious (index: number, ref: RecordRef): void {
    this.#words[ROW_WORDS * index + WORD.previous] = ref
  }

  /** The record behind at the same address; NONE for the last. */
  next (index: number): RecordRef {
    return this.#words[ROW_WORDS * index + WORD.next] as RecordRef
  }

  setNext (index: number, ref: RecordRef): void {
    this.#words[ROW_WORDS * index + WORD.next] = ref
  }

  /** An older record at the same address: a shortcut for searches, which may point to a record that is gone. */
  jump (index: number): RecordRef {
    return this.#words[ROW_WORDS * index + WORD.jump] as RecordRef
  }

  /** Number of the record at its address. */
  sequence (index: number): number {
    return this.#words[ROW_WORDS * index + WORD.sequence] as number
  }

  /** Makes space for more records. */
  grow (): void {
    this.#capacity *= 2
    const doubles = new Float64Array(ROW_DOUBLES * this.#capacity)
    doubles.set(this.#doubles)
    this.#doubles = doubles
    this.#words = new Uint32Array(doubles.buffer)
  }
}

/** The blocks of an index, in the order of the offsets. Records are appended to the newest block. */
export class RecordBlocks {
  readonly #maxRecords: number
  readonly #byNumber: Array<RecordBlock | undefined> = []
  readonly #ordered: RecordBlock[] = []
  readonly #freeNumbers: number[] = []

  /** @param maxRecords Records in a block at most; smaller in tests. */
  constructor (maxRecords = MAX_RECORDS) {
    this.#maxRecords = maxRecords
  }

  get ordered (): readonly RecordBlock[] {
    return this.#ordered
  }

  /** The block of a record that exists. */
  of (ref: RecordRef): RecordBlock {
    return this.#byNumber[ref >>> 16] as RecordBlock
  }

  /** The block of a living record; undefined when the reference, which may be old, points to none. */
  livingOf (ref: RecordRef): RecordBlock | undefined {
    const block = this.#byNumber[ref >>> 16]
    return block !== undefined && (ref & 0xFFFF) < block.length && block.isLiving(ref & 0xFFFF) ? block : undefined
  }

  /** The newest block, with space for one more record. */
  newest (): RecordBlock {
    const newest = this.#ordered.at(-1)
    if (newest === undefined) return this.#insert(0, Math.min(FIRST_RECORDS, this.#maxRecords))
    if (newest.length === this.#maxRecords) return this.#insert(this.#ordered.length, this.#maxRecords)
    if (newest.length === newest.capacity) newest.grow()
    return newest
  }

  /** Position of the block that has the first record above an offset; the number of blocks when there is none. */
  positionAfter (offset: Offset): number {
    let low = 0
    let high = this.#ordered.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ordered[middle] as RecordBlock).lastOffset > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  /** The living record at an offset; NONE without one. */
  find (offset: Offset): RecordRef {
    const after = this.positionAfter(offset)
    const before = this.#ordered[after - 1]
    const block = before?.lastOffset === offset ? before : this.#ordered[after]
    if (block === undefined) return NONE
    const index = block.indexAfter(offset) - 1
    return index >= 0 && block.offset(index) === offset && block.isLiving(index) ? refOf(block, index) : NONE
  }

  /**
   * The position of a block that wastes space, and how many blocks from there on to replace by one: a block, full
   * before, of which less than half is alive, with its neighbour if both fit into half a block. Null without such a
   * block.
   */
  sparse (block: RecordBlock): { readonly position: number, readonly count: number } | null {
    const position = this.#ordered.indexOf(block)
    if (position === -1 || position === this.#ordered.length - 1 || 2 * block.living >= block.capacity) return null
    const isSmall = (one: number): boolean => {
      const neighbour = this.#ordered[one]
      return neighbour !== undefined && one < this.#ordered.length - 1 &&
        2 * (neighbour.living + block.living) <= this.#maxRecords
    }
    if (isSmall(position + 1)) return { position, count: 2 }
    if (isSmall(position - 1)) return { position: position - 1, count: 2 }
    return { position, count: 1 }
  }

  /** Creates a block for the living records of some blocks, in their place. The caller moves the records. */
  replace (position: number, count: number): { readonly from: readonly RecordBlock[], readonly to: RecordBlock } {
    const from = this.#ordered.slice(position, position + count)
    const living = from.reduce((sum, block) => sum + block.living, 0)
    const to = this.#insert(position + count, Math.max(1, living))
    return { from, to }
  }

  /** Removes blocks. */
  drop (blocks: readonly RecordBlock[]): void {
    for (const block of blocks) {
      this.#ordered.splice(this.#ordered.indexOf(block), 1)
      this.#byNumber[block.number] = undefined
      this.#freeNumbers.push(block.number)
    }
  }

  clear (): void {
    this.drop([...this.#ordered])
  }

  #insert (position: number, capacity: number): RecordBlock {
    const block = new RecordBlock(this.#freeNumbers.pop() ?? this.#byNumber.length, capacity)
    this.#byNumber[block.number] = block
    this.#ordered.splice(position, 0, block)
    return block
  }
}

/** The reference of a record. */
export function refOf (block: RecordBlock, index: number): RecordRef {
  return block.number * INDEXES + index
}
