import type { AddressKey, Offset } from '../../../model/message.ts'
import { countBits, hasBit, newBits, setBit } from '../../local/collections/bits.ts'
import type { NewRecord } from '../../local/index/index-record.ts'
import type { LogIndex } from '../../local/index/log-index.ts'
import { MESSAGE_BYTES } from '../../local/message-form.ts'
import type { CheckpointSegment } from '../housekeeping/checkpoint.ts'
import { indexRecordOf, nameOf } from '../codec.ts'
import type { Footer } from '../journal/footer.ts'
import { isMessage, RECORD_BYTES, recordKind } from '../journal/format.ts'
import { scanSegment, type Scan, type ScanSource } from '../journal/scan.ts'
import type { NameTable } from './name-table.ts'

// Fills an index from the segments that a checkpoint knows.

/**
 * Adds the records of a footer that were alive at the checkpoint. Returns their bits, and whether none of them is
 * missing: a seal leaves damaged records out.
 *
 * @param table The numbers of the addresses that earlier segments have.
 * @param known The segment at the checkpoint; undefined when all of its records were alive.
 */
export function restoreFooter (
  index: LogIndex, table: NameTable, footer: Footer, known: CheckpointSegment | undefined
): { readonly living: Uint8Array, readonly isComplete: boolean } {
  const { offsets, times, positions, lengths, addresses, expiring, untils, names } = footer
  const isLiving = livingTest(footer, known)
  const resolve = (key: AddressKey): number => index.addressOf(key)
  const { bytes, starts } = names
  const numbers = new Uint32Array(names.starts.length - 1).fill(UNKNOWN)
  const living = newBits(offsets.length)
  let nextExpiring = 0
  let alive = 0
  for (let ordinal = 0; ordinal < offsets.length; ordinal++) {
    const isExpiring = expiring[nextExpiring] === ordinal
    const until = isExpiring ? untils[nextExpiring++] ?? Infinity : Infinity
    const offset = offsets[ordinal] as number
    if (!isLiving(ordinal, offset)) continue
    alive++
    const name = addresses[ordinal] as number
    // Looked up when the address has a living record here, and once.
    if (numbers[name] === UNKNOWN) {
      numbers[name] = table.number(bytes, starts[name] as number, starts[name + 1] as number, resolve)
    }
    index.addTo(numbers[name] as number, {
      offset,
      at: times[ordinal] as number,
      until,
      bytes: (lengths[ordinal] as number) - RECORD_BYTES + MESSAGE_BYTES,
      position: positions[ordinal] ?? 0,
      ordinal
    })
    setBit(living, ordinal)
  }
  return { living, isComplete: known === undefined || alive >= countLiving(known) }
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
  const living = known === undefined ? null : livingOffsets(known, offsets)
  for (const { key, record } of found) if (living?.has(record.offset) !== false) index.add(key, record)
  // Exactly the living records that are gone count, where the checkpoint has their offsets.
  const isComplete = living !== null && known?.note.count === null
    ? offsets.reduce((count, offset) => count + Number(living.has(offset)), 0) === living.size
    : scan.missing + scan.damages.length === 0 && scan.doubtful === null
  return { scan, isComplete }
}

/** Whether a record of a footer was alive at the checkpoint. Called in the order of the records. */
function livingTest (
  { offsets }: Footer, known: CheckpointSegment | undefined
): (ordinal: number, offset: Offset) => boolean {
  if (known === undefined) return () => true
  const { note: { count }, living } = known
  if (count === null) {
    const list = toOffsets(living)
    let next = 0
    return (_ordinal, offset) => {
      while ((list[next] ?? Infinity) < offset) next++
      return list[next] === offset
    }
  }
  // Sealed again since: with the records that were alive at the checkpoint.
  if (count !== offsets.length) return () => true
  return (ordinal) => hasBit(living, ordinal)
}

/**
 * The offsets of the records that were alive at the checkpoint. `found`: the offsets of all records of the segment,
 * rising. Null when that cannot be told, as for a segment that was sealed again since.
 */
export function livingOffsets (
  { note: { count }, living }: CheckpointSegment, found: ArrayLike<Offset>
): Set<Offset> | null {
  if (count === null) return new Set(toOffsets(living))
  if (count !== found.length) return null
  return new Set(Array.from(found).filter((_, ordinal) => hasBit(living, ordinal)))
}

/** How many records were alive at the checkpoint. */
function countLiving ({ note: { count }, living }: CheckpointSegment): number {
  return count === null ? living.length / Float64Array.BYTES_PER_ELEMENT : countBits(living)
}

/** The number of an address that was not looked up. */
const UNKNOWN = 0xFFFF_FFFF

function toOffsets (bytes: Buffer): Float64Array {
  // A copy: the bytes may begin at any address.
  return new Float64Array(Uint8Array.from(bytes).buffer)
}
