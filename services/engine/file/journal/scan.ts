import type { Offset } from '../../../model/message.ts'
import { checksum } from './checksum.ts'
import {
  decodeGroupHeader, decodeHeader, GROUP_BYTES, GROUP_MAGIC, HEADER_BYTES, isMessage, isPlausible, isRecord, KIND,
  RECORD_BYTES, recordKind, recordLength, recordOffset, type GroupHeader, type Sealed, type SegmentHeader
} from './format.ts'
import { Window } from './window.ts'

/**
 * A part of a file without good records. The offsets of the records that may be missing are above `afterOffset`, below
 * `beforeOffset` and at most `lastOffset`; none are missing when no offset fits.
 */
export interface Damage {
  /** Positions in the file. */
  readonly from: number
  readonly to: number
  /** Greatest offset in front of the damage; 0 without one. In a sealed file, the last offset of the predecessor. */
  readonly afterOffset: Offset
  /** First offset behind the damage; Infinity without one. */
  readonly beforeOffset: Offset
  /** Greatest offset that the damaged group can hold; Infinity when unknown. */
  readonly lastOffset: Offset
}

/**
 * Receives a good record: it begins at index `at` of the buffer, and at `position` of the file. The buffer does not
 * change any more.
 */
export type RecordVisitor = (bytes: Buffer, at: number, position: number) => void

/** A segment to scan. */
export interface ScanSource {
  readonly fd: number
  /** Bytes in the file. */
  readonly size: number
  /** The id in the name of the file. */
  readonly id: number
  /**
   * Length and last offset as the header of the successor names them; null for the newest segment. Ignored for a
   * sealed file, whose header has its own.
   */
  readonly expected: { readonly length: number, readonly lastOffset: Offset } | null
  readonly chunkBytes?: number
}

/** The result of a scan. */
export interface Scan {
  /** Null for a damaged header. A journal cannot continue such a segment. */
  readonly header: SegmentHeader | null
  /** Length of the file up to the end of the last good group; 0 when the file has neither header nor groups. */
  readonly length: number
  /** Greatest offset that the segment and its predecessors have held, as far as known. */
  readonly lastOffset: Offset
  /** Good records that the visitor received. */
  readonly records: number
  /** Records that a sealed file has lost; 0 for other files. */
  readonly missing: number
  readonly damages: readonly Damage[]
  /** Bytes of an incomplete group at the end, which was never acknowledged. */
  readonly tornBytes: number
  /** A complete tail with wrong bytes: a group that was being written, or an acknowledged one with damage. */
  readonly doubtful: Damage | null
}

/**
 * Scans a segment after a crash or damage: hands every good record to the visitor in the order of the file, and
 * describes the rest. Blocks.
 *
 * A good header of a group proves that everything in front of it had been synced; without one behind it, a bad group
 * is the tail, which was never acknowledged or is doubtful. The visitor receives no record of the tail.
 *
 * @throws {Error} For a segment of another layout, and for an error of a read.
 */
export function scanSegment (source: ScanSource, visit: RecordVisitor): Scan {
  return new Scanner(source, visit).run()
}

/** Bytes of checksums that a search for records in damaged bytes may compute, as a multiple of these bytes. */
const SEARCH_FACTOR = 32
/** Bytes that a search for the header of a group looks at in one step. */
const SEARCH_BYTES = 256 * 1024

class Scanner {
  readonly #source: ScanSource
  readonly #visit: RecordVisitor
  readonly #window: Window
  readonly #damages: Array<{ -readonly [Key in keyof Damage]: Damage[Key] }> = []
  /** Number of damages whose `beforeOffset` is known. */
  #bounded = 0
  #records = 0
  /** Greatest offset of a visited record with an offset of its own. */
  #afterOffset: Offset = 0
  #lastOffset: Offset = 0
  #tornBytes = 0
  #doubtful: Damage | null = null

  constructor (source: ScanSource, visit: RecordVisitor) {
    this.#source = source
    this.#visit = visit
    this.#window = new Window(source.fd, source.size, source.chunkBytes)
  }

  run (): Scan {
    const header = this.#readHeader()
    this.#afterOffset = this.#lastOffset = header?.predecessor?.lastOffset ?? 0
    const sealed = header?.sealed ?? null
    const length = sealed === null ? this.#scanGroups(header !== null) : this.#scanSealed(sealed)
    return {
      header,
      length,
      lastOffset: this.#lastOffset,
      records: this.#records,
      missing: sealed === null ? 0 : Math.max(0, sealed.count - this.#records),
      damages: this.#damages,
      tornBytes: this.#tornBytes,
      doubtful: this.#doubtful
    }
  }

  #readHeader (): SegmentHeader | null {
    const at = this.#window.load(0, HEADER_BYTES)
    if (at === -1) return null
    const header = decodeHeader(this.#window.bytes.subarray(at, at + HEADER_BYTES))
    return header?.id === this.#source.id ? header : null
  }

  /** Scans a file as the journal writes it. Returns the good length. */
  #scanGroups (hasHeader: boolean): number {
    const { size, expected } = this.#source
    const limit = Math.min(size, expected?.length ?? size)
    let position = HEADER_BYTES
    while (position < limit) {
      const group = this.#groupAt(position)
      const end = group === null ? position + 1 : position + GROUP_BYTES + group.bytes
      if (group !== null && end <= limit && this.#isIntact(group)) {
        this.#visitGroup(group)
        position = end
        continue
      }
      const next = this.#findGroup(end, limit)
      if (next === -1 && expected === null) break
      // Damage. A complete group with a good header is searched by itself: its last offset is known.
      const to = group !== null && end <= limit ? end : next === -1 ? limit : next
      this.#search(group === null ? position : position + GROUP_BYTES, to, group?.lastOffset)
      this.#lastOffset = Math.max(this.#lastOffset, group?.lastOffset ?? 0)
      position = to
    }
    if (expected !== null) return this.#endAsExpected(limit, expected)
    const hasGroups = position > HEADER_BYTES
    this.#cutTail(hasHeader || hasGroups ? position : 0)
    return hasHeader || hasGroups ? position : 0
  }

  /** Notes the missing end of a file that has a successor. */
  #endAsExpected (limit: number, expected: { readonly length: number, readonly lastOffset: Offset }): number {
    const isShort = limit < expected.length
    if (isShort || (this.#damages.length === 0 && this.#lastOffset < expected.lastOffset)) {
      this.#addDamage(limit, expected.length, expected.lastOffset)
    }
    this.#lastOffset = Math.max(this.#lastOffset, expected.lastOffset)
    return limit
  }

  /** Notes the bytes behind the good length of the newest segment. */
  #cutTail (length: number): void {
    const { size } = this.#source
    const position = Math.max(length, HEADER_BYTES)
    const group = this.#groupAt(position)
    const needed = GROUP_BYTES + (group?.bytes ?? 0)
    if (position + needed > size) {
      this.#tornBytes = Math.max(0, size - length)
      return
    }
    this.#doubtful = {
      from: length,
      to: size,
      afterOffset: this.#afterOffset,
      beforeOffset: Infinity,
      lastOffset: position + needed === size ? group?.lastOffset ?? Infinity : Infinity
    }
  }

  /** Scans a sealed file: one group, in the order of addresses. Returns the end of its records. */
  #scanSealed (sealed: Sealed): number {
    const { size } = this.#source
    const afterOffset = this.#afterOffset
    const group = this.#groupAt(HEADER_BYTES)
    const from = HEADER_BYTES + GROUP_BYTES
    const end = group === null ? size : from + group.bytes
    this.#search(Math.min(from, size), Math.min(end, size), sealed.lastOffset, sealed.count)
    this.#lastOffset = Math.max(this.#lastOffset, sealed.lastOffset)
    if (this.#records >= sealed.count) this.#damages.length = 0
    // A file that was cut between two records has no bad bytes.
    else if (end > size || this.#damages.length === 0) this.#addDamage(size, Math.max(size, end), sealed.lastOffset)
    // The neighbours of the damage in the file are records of other addresses, so their offsets are no bounds.
    for (const damage of this.#damages) {
      damage.afterOffset = afterOffset
      damage.beforeOffset = Infinity
      damage.lastOffset = sealed.lastOffset
    }
    return Math.min(end, size)
  }

  #groupAt (position: number): GroupHeader | null {
    const at = this.#window.load(position, GROUP_BYTES)
    return at === -1 ? null : decodeGroupHeader(this.#window.bytes, at, position, this.#source.id)
  }

  /** The position of the first good header of a group in a part of the file; -1 without one. */
  #findGroup (from: number, limit: number): number {
    let position = from
    while (position + GROUP_BYTES <= limit) {
      const length = Math.min(SEARCH_BYTES, limit - position)
      const at = this.#window.load(position, length)
      if (at === -1) return -1
      const found = this.#window.bytes.subarray(at, at + length).indexOf(GROUP_MAGIC)
      if (found === -1) {
        // The magic number may stand across the end of the part.
        position += length - GROUP_MAGIC.length + 1
        continue
      }
      position += found
      if (position + GROUP_BYTES <= limit && this.#groupAt(position) !== null) return position
      position++
    }
    return -1
  }

  /** Whether all records of a group are good, and are the ones that its header counts. */
  #isIntact ({ start, bytes: length, count, sum }: GroupHeader): boolean {
    const first = this.#window.load(start, GROUP_BYTES + length)
    if (first === -1) return false
    const { bytes } = this.#window
    const end = first + GROUP_BYTES + length
    let found = 0
    let foundSum = 0
    for (let at = first + GROUP_BYTES; at < end; at += recordLength(bytes, at)) {
      if (!isRecord(bytes, at, end - at, this.#source.id)) return false
      foundSum = checksum(bytes, at + 4, at + 8, foundSum)
      found++
    }
    return found === count && foundSum === sum
  }

  #visitGroup ({ start, bytes: length, lastOffset }: GroupHeader): void {
    const first = this.#window.load(start, GROUP_BYTES + length)
    const { bytes } = this.#window
    for (let at = GROUP_BYTES; at < GROUP_BYTES + length; at += recordLength(bytes, first + at)) {
      this.#visitRecord(first + at, start + at)
    }
    this.#lastOffset = Math.max(this.#lastOffset, lastOffset)
  }

  #visitRecord (at: number, position: number): void {
    const { bytes } = this.#window
    if (hasOwnOffset(recordKind(bytes, at))) this.#noteOffset(recordOffset(bytes, at))
    this.#records++
    this.#visit(bytes, at, position)
  }

  #noteOffset (offset: Offset): void {
    for (; this.#bounded < this.#damages.length; this.#bounded++) {
      const damage = this.#damages[this.#bounded]
      if (damage !== undefined) damage.beforeOffset = offset
    }
    this.#afterOffset = Math.max(this.#afterOffset, offset)
    this.#lastOffset = Math.max(this.#lastOffset, offset)
  }

  /**
   * Visits the good records in a part of the file and notes the damage between them. `count` is given for the records
   * of a sealed file, whose offsets do not rise; the search ends when it has found so many.
   */
  #search (from: number, to: number, lastOffset = this.#source.expected?.lastOffset ?? Infinity, count?: number): void {
    let budget = SEARCH_FACTOR * (to - from)
    let goodEnd = from
    let position = from
    while (position + RECORD_BYTES <= to && this.#records !== count) {
      const at = this.#window.load(position, RECORD_BYTES)
      if (at === -1) break
      const { bytes } = this.#window
      if (!isPlausible(bytes, at, to - position)) {
        position++
        continue
      }
      const length = recordLength(bytes, at)
      budget -= length
      if (budget < 0 || !this.#isRecordAt(position, length, lastOffset, count !== undefined)) {
        position++
        continue
      }
      // The budget is for bad records.
      budget += length
      if (goodEnd < position) this.#addDamage(goodEnd, position, lastOffset)
      this.#visitRecord(this.#window.load(position, length), position)
      position += length
      goodEnd = position
    }
    if (goodEnd < to && this.#records !== count) this.#addDamage(goodEnd, to, lastOffset)
  }

  /** Whether a record is good and its offset possible: the payload of a damaged record may contain bytes of records. */
  #isRecordAt (position: number, length: number, lastOffset: Offset, isSealed: boolean): boolean {
    const at = this.#window.load(position, length)
    if (at === -1 || !isRecord(this.#window.bytes, at, length, this.#source.id)) return false
    if (!isMessage(recordKind(this.#window.bytes, at))) return true
    const offset = recordOffset(this.#window.bytes, at)
    return offset <= lastOffset && (isSealed || offset > this.#afterOffset)
  }

  #addDamage (from: number, to: number, lastOffset: Offset): void {
    const afterOffset = this.#afterOffset
    // No record is as short as this: only the header of a group is damaged.
    const isEmpty = from < to && to - from < RECORD_BYTES
    this.#damages.push({
      from, to, afterOffset, beforeOffset: Infinity, lastOffset: isEmpty ? afterOffset : lastOffset
    })
  }
}

/** Whether no other record has the offset of a record of this kind. */
function hasOwnOffset (kind: number): boolean {
  return isMessage(kind) || kind === KIND.keyUse
}
