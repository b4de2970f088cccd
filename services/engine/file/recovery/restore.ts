import type { AddressKey, Offset } from '../../../model/message.ts'
import { allBits, clearBit, countBits, hasBit, newBits, setBit } from '../../local/collections/bits.ts'
import type { LivingRecords, NewRecord } from '../../local/index/index-record.ts'
import type { LogIndex } from '../../local/index/log-index.ts'
import { WANTED } from '../../local/index/name-table.ts'
import { MESSAGE_BYTES } from '../../local/message-form.ts'
import { offsetsIn, type CheckpointSegment } from '../housekeeping/checkpoint.ts'
import { indexRecordOf, nameOf } from '../codec.ts'
import type { Footer } from '../journal/footer.ts'
import { isMessage, RECORD_BYTES, recordKind } from '../journal/format.ts'
import { scanSegment, type Scan, type ScanSource } from '../journal/scan.ts'

// Fills an index from the segments that a checkpoint knows. The index takes rising offsets only: a record that is not
// above all earlier ones is left out, and counts as damage.

/**
 * Adds the records of a footer that were alive at the checkpoint. Returns the living records, and
 * whether all of them are in the footer: a seal leaves damaged records out.
 *
 * @param known The segment at the checkpoint; undefined when all of its records were alive.
 */
export function restoreFooter (
  index: LogIndex, footer: Footer, known: CheckpointSegment | undefined
): { readonly living: LivingRecords, readonly isComplete: boolean } {
  const { offsets, times, positions, lengths, addresses, expiring, untils, names } = footer
  const bits = livingBits(known, offsets, offsets.length)
  let isRising = true
  for (let ordinal = 0; (offsets[ordinal] ?? Infinity) <= index.lastOffset; ordinal++) {
    if (hasBit(bits, ordinal)) isRising = false
    clearBit(bits, ordinal)
  }
  const numbers = new Uint32Array(names.starts.length - 1)
  for (let ordinal = 0; ordinal < offsets.length; ordinal++) {
    if (hasBit(bits, ordinal)) numbers[addresses[ordinal] as number] = WANTED
  }
  index.resolveAll(names, numbers)
  // One object for all records: a start with millions of records would leave as many objects behind.
  const record = { offset: 0, at: 0, until: Infinity, bytes: 0, position: 0, ordinal: 0 }
  let nextExpiring = 0
  let livingBytes = 0
  for (let ordinal = 0; ordinal < offsets.length; ordinal++) {
    const isExpiring = expiring[nextExpiring] === ordinal
    record.until = isExpiring ? untils[nextExpiring++] as number : Infinity
    if (!hasBit(bits, ordinal)) continue
    record.offset = offsets[ordinal] as number
    record.at = times[ordinal] as number
    record.bytes = (lengths[ordinal] as number) - RECORD_BYTES + MESSAGE_BYTES
    record.position = positions[ordinal] as number
    record.ordinal = ordinal
    livingBytes += record.bytes
    index.addTo(numbers[addresses[ordinal] as number] as number, record)
  }
  const isComplete = isRising && (known === undefined || countBits(bits) >= countLiving(known))
  return { living: { bits, bytes: livingBytes }, isComplete }
}

/**
 * Adds the records of a segment without a footer that were alive at the checkpoint. Returns the scan, and whether
 * all living records were found.
 */
export function restoreScanned (
  index: LogIndex, source: ScanSource, known: CheckpointSegment | undefined
): { readonly scan: Scan, readonly isComplete: boolean } {
  const found: Array<{ readonly key: AddressKey, readonly record: NewRecord }> = []
  const scan = scanSegment(source, (bytes, at, position) => {
    if (!isMessage(recordKind(bytes, at))) return
    found.push({ key: nameOf(bytes, at), record: indexRecordOf(bytes, at, position) })
  })
  // A sealed file is sorted by address.
  found.sort((a, b) => a.record.offset - b.record.offset)
  const offsets = found.map(({ record }) => record.offset)
  const bits = livingBits(known, offsets, scan.header?.sealed?.count)
  let isRising = true
  for (const [n, { key, record }] of found.entries()) {
    if (!hasBit(bits, n)) continue
    if (record.offset > index.lastOffset) index.add(key, record)
    else isRising = false
  }
  // Where the checkpoint has the offsets of the living records, damage to other records does not count.
  const isComplete = known?.note.count === null
    ? countBits(bits) === countLiving(known)
    : scan.missing + scan.damages.length === 0 && scan.doubtful === null
  return { scan, isComplete: isComplete && isRising }
}

/**
 * Which of the records that are left of a segment were alive at the checkpoint: one bit each.
 *
 * @param known The segment at the checkpoint; undefined when all of its records were alive.
 * @param found The offsets of the records that are left, rising.
 * @param sealedCount Records of the sealed file; undefined when that is not known.
 */
function livingBits (
  known: CheckpointSegment | undefined, found: ArrayLike<Offset>, sealedCount: number | undefined
): Uint8Array {
  if (known === undefined) return allBits(found.length)
  const { note: { count }, living } = known
  if (count === null) return bitsOf(offsetsIn(living), found)
  // Sealed again since, with the records that were alive at the checkpoint.
  if (sealedCount !== undefined && sealedCount !== count) return allBits(found.length)
  return certainBits(living, count, found.length)
}

/** Which of some offsets are in a list; both rise. */
function bitsOf (list: Float64Array, offsets: ArrayLike<Offset>): Uint8Array {
  const bits = newBits(offsets.length)
  let next = 0
  for (let n = 0; n < offsets.length; n++) {
    const offset = offsets[n] as number
    while ((list[next] ?? Infinity) < offset) next++
    if (list[next] === offset) setBit(bits, n)
  }
  return bits
}

/**
 * Which of the records that are left of `count` were certainly alive. When records are missing, each of the others may
 * have moved forward, by as many records as are missing at most, and counts as alive when it was alive in each of these
 * cases: a gap is acceptable, a purged message is not.
 */
function certainBits (living: Uint8Array, count: number, left: number): Uint8Array {
  const bits = newBits(left)
  const missing = count - left
  // Not the segment of the checkpoint.
  if (missing < 0) return bits
  // Living records in a row, up to and with an ordinal.
  let row = 0
  for (let ordinal = 0; ordinal < count; ordinal++) {
    row = hasBit(living, ordinal) ? row + 1 : 0
    if (row > missing && ordinal >= missing) setBit(bits, ordinal - missing)
  }
  return bits
}

/** The offsets of the records that `livingBits` finds alive. */
export function livingOffsets (
  known: CheckpointSegment | undefined, found: readonly Offset[] | Float64Array, sealedCount: number | undefined
): Set<Offset> {
  const bits = livingBits(known, found, sealedCount)
  return new Set(found.filter((_, n) => hasBit(bits, n)))
}

/** How many records were alive at the checkpoint. */
function countLiving ({ note: { count }, living }: CheckpointSegment): number {
  return count === null ? living.length / Float64Array.BYTES_PER_ELEMENT : countBits(living)
}
