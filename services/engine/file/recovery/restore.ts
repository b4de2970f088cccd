import type { AddressKey, Offset } from '../../../model/message.ts'
import { allBits, countBits, hasBit, newBits, setBit } from '../../local/collections/bits.ts'
import type { LivingRecords, NewRecord } from '../../local/index/index-record.ts'
import type { LogIndex } from '../../local/index/log-index.ts'
import { WANTED } from '../../local/index/name-table.ts'
import { MESSAGE_BYTES } from '../../local/message-form.ts'
import type { CheckpointSegment } from '../housekeeping/checkpoint.ts'
import { indexRecordOf, nameOf } from '../codec.ts'
import type { Footer } from '../journal/footer.ts'
import { isMessage, RECORD_BYTES, recordKind } from '../journal/format.ts'
import { scanSegment, type Scan, type ScanSource } from '../journal/scan.ts'

// Fills an index from the segments that a checkpoint knows.

/**
 * Adds the records of a footer that were alive at the checkpoint. Returns them, and whether none of them is
 * missing: a seal leaves damaged records out.
 *
 * @param known The segment at the checkpoint; undefined when all of its records were alive.
 */
export function restoreFooter (
  index: LogIndex, footer: Footer, known: CheckpointSegment | undefined
): { readonly living: LivingRecords, readonly isComplete: boolean } {
  const { offsets, times, positions, lengths, addresses, expiring, untils, names } = footer
  const bits = livingBits(footer, known)
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
  const isComplete = known === undefined || countBits(bits) >= countLiving(known)
  return { living: { bits, bytes: livingBytes }, isComplete }
}

/**
 * Adds the records of a segment without a footer that were alive at the checkpoint. Returns the scan, and whether none
 * of them is missing.
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
  const living = known === undefined ? null : livingOffsets(known, offsets, scan.header?.sealed?.count)
  for (const { key, record } of found) if (living?.has(record.offset) !== false) index.add(key, record)
  // Exactly the living records that are gone count, where the checkpoint has their offsets.
  const isComplete = living !== null && known?.note.count === null
    ? offsets.reduce((count, offset) => count + Number(living.has(offset)), 0) === living.size
    : scan.missing + scan.damages.length === 0 && scan.doubtful === null
  return { scan, isComplete }
}

/** Which records of a footer were alive at the checkpoint: one bit each. */
function livingBits ({ offsets }: Footer, known: CheckpointSegment | undefined): Uint8Array {
  // Unknown, or sealed again since, with the records that were alive at the checkpoint.
  if (known === undefined || (known.note.count !== null && known.note.count !== offsets.length)) {
    return allBits(offsets.length)
  }
  if (known.note.count !== null) return Uint8Array.from(known.living)
  const bits = newBits(offsets.length)
  const list = toOffsets(known.living)
  let next = 0
  for (let ordinal = 0; ordinal < offsets.length; ordinal++) {
    const offset = offsets[ordinal] as number
    while ((list[next] ?? Infinity) < offset) next++
    if (list[next] === offset) setBit(bits, ordinal)
  }
  return bits
}

/**
 * The offsets of the records that were alive at the checkpoint. Null when all of them were: a segment that was sealed
 * again since has no others.
 *
 * @param found The offsets of the records that are left of the segment, rising.
 * @param sealedCount Records of the segment by its header; undefined when the header is damaged.
 */
export function livingOffsets (
  { note: { count }, living }: CheckpointSegment, found: ArrayLike<Offset>, sealedCount: number | undefined
): Set<Offset> | null {
  if (count === null) return new Set(toOffsets(living))
  if (sealedCount !== undefined && sealedCount !== count) return null
  if (found.length > count) return new Set()
  // A record has moved forward by as many records as are missing before it, at most by all that are missing. Without
  // the footer, a record is kept that was alive in each of these cases: a gap is acceptable, a purged message is not.
  const missing = count - found.length
  // Living records in front of each one.
  const before = new Uint32Array(count + 1)
  for (let ordinal = 0; ordinal < count; ordinal++) {
    before[ordinal + 1] = (before[ordinal] as number) + Number(hasBit(living, ordinal))
  }
  const countFrom = (n: number): number => (before[n + missing + 1] as number) - (before[n] as number)
  return new Set(Array.from(found).filter((_, n) => countFrom(n) === missing + 1))
}

/** How many records were alive at the checkpoint. */
function countLiving ({ note: { count }, living }: CheckpointSegment): number {
  return count === null ? living.length / Float64Array.BYTES_PER_ELEMENT : countBits(living)
}

function toOffsets (bytes: Buffer): Float64Array {
  // A copy: the bytes may begin at any address.
  return new Float64Array(Uint8Array.from(bytes).buffer)
}
