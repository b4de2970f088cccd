import type { Offset } from '../../../model/message.ts'

/** Reference to a record: number of its block * 65 536 + index in the block. */
export type RecordRef = number

/** The reference of no record. */
export const NONE: RecordRef = 0xFFFF_FFFF
/** Numbers of indexes in a reference. */
const INDEXES = 65_536
/** Records in a block at most: a compaction of so many takes a few ms. */
const MAX_RECORDS = 16_384
const FIRST_RECORDS = 64

/** Records in the order of their offsets, as columns: 48 bytes a record. A record without bytes is dead. */
export class RecordBlock {
  readonly number: number
  /** Records, dead ones included. */
  length = 0
  living = 0
  offset: Float64Array
  /** Time in ms since the epoch. */
  at: Float64Array
  /** Bytes that count towards the size of the log; 0 for a dead record. */
  bytes: Uint32Array
  /** Position in the file of the record. */
  position: Uint32Array
  /** Number of the record in its sealed file. */
  ordinal: Uint32Array
  /** Number of the address. */
  address: Uint32Array
  /** Neighbours at the same address. */
  previous: Uint32Array
  next: Uint32Array
  /** An older record at the same address: a shortcut for searches, which may point to a record that is gone. */
  jump: Uint32Array
  /** Number of the record at its address. */
  sequence: Uint32Array

  constructor (number: number, capacity: number) {
    this.number = number
    this.offset = new Float64Array(capacity)
    this.at = new Float64Array(capacity)
    this.bytes = new Uint32Array(capacity)
    this.position = new Uint32Array(capacity)
    this.ordinal = new Uint32Array(capacity)
    this.address = new Uint32Array(capacity)
    this.previous = new Uint32Array(capacity)
    this.next = new Uint32Array(capacity)
    this.jump = new Uint32Array(capacity)
    this.sequence = new Uint32Array(capacity)
  }

  get capacity (): number {
    return this.offset.length
  }

  get lastOffset (): Offset {
    return this.length === 0 ? 0 : this.offset[this.length - 1] as number
  }

  /** Index of the first record above an offset, dead or alive. */
  indexAfter (offset: Offset): number {
    let low = 0
    let high = this.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.offset[middle] as number) > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  /** Makes space for more records. */
  grow (): void {
    const capacity = 2 * this.capacity
    this.offset = grown(this.offset, new Float64Array(capacity))
    this.at = grown(this.at, new Float64Array(capacity))
    this.bytes = grown(this.bytes, new Uint32Array(capacity))
    this.position = grown(this.position, new Uint32Array(capacity))
    this.ordinal = grown(this.ordinal, new Uint32Array(capacity))
    this.address = grown(this.address, new Uint32Array(capacity))
    this.previous = grown(this.previous, new Uint32Array(capacity))
    this.next = grown(this.next, new Uint32Array(capacity))
    this.jump = grown(this.jump, new Uint32Array(capacity))
    this.sequence = grown(this.sequence, new Uint32Array(capacity))
  }

  /** Copies a record of another block behind the last record. Returns its index. */
  copy (from: RecordBlock, index: number): number {
    const to = this.length++
    this.offset[to] = from.offset[index] as number
    this.at[to] = from.at[index] as number
    this.bytes[to] = from.bytes[index] as number
    this.position[to] = from.position[index] as number
    this.ordinal[to] = from.ordinal[index] as number
    this.address[to] = from.address[index] as number
    this.previous[to] = from.previous[index] as number
    this.next[to] = from.next[index] as number
    this.jump[to] = from.jump[index] as number
    this.sequence[to] = from.sequence[index] as number
    this.living++
    return to
  }
}

/** Copies a column into a longer one. */
export function grown<T extends Float64Array | Uint32Array | Uint8Array> (from: T, to: T): T {
  to.set(from)
  return to
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

  /** Whether a reference, which may be old, points to a living record. */
  isLiving (ref: RecordRef): boolean {
    const block = this.#byNumber[ref >>> 16]
    return block !== undefined && (ref & 0xFFFF) < block.length && block.bytes[ref & 0xFFFF] !== 0
  }

  /** The newest block, with space for one more record. */
  newest (): RecordBlock {
    const newest = this.#ordered.at(-1)
    if (newest === undefined || newest.length === this.#maxRecords) {
      return this.#insert(this.#ordered.length, Math.min(FIRST_RECORDS, this.#maxRecords))
    }
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
    return index >= 0 && block.offset[index] === offset && block.bytes[index] !== 0 ? refOf(block, index) : NONE
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
