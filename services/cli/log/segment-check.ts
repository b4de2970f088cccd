import { readSync } from 'node:fs'
import type { Checkpoint, CheckpointSegment } from '../../engine/file/housekeeping/checkpoint.ts'
import { nameOf } from '../../engine/file/codec.ts'
import { checksum } from '../../engine/file/journal/checksum.ts'
import { readFooter } from '../../engine/file/journal/footer.ts'
import {
  decodeGroupHeader, GROUP_BYTES, HEADER_BYTES, isMessage, KIND, recordKind, recordOffset, recordUntil,
  type Predecessor, type SegmentHeader
} from '../../engine/file/journal/format.ts'
import { scanSegment, type Scan, type ScanSource } from '../../engine/file/journal/scan.ts'
import { livingOffsets } from '../../engine/file/recovery/restore.ts'

/** A file to check. */
export interface SegmentToCheck {
  readonly fd: number
  readonly size: number
  readonly id: number
  /** Length and last offset as another file names them; null for the newest segment. */
  readonly expected: Pick<Predecessor, 'length' | 'lastOffset'> | null
  /** The segment in the newest checkpoint; null when all of its messages were alive. */
  readonly known: CheckpointSegment | null
  /** Whether the newest checkpoint knows that no message of the segment is alive. */
  readonly isDead: boolean
  /** The newest checkpoint, for a segment that begins there or later; null without a complete checkpoint. */
  readonly checkpoint: Pick<Checkpoint, 'asOf' | 'recent'> | null
}

/** The result of a check. */
export interface SegmentCheck {
  readonly header: SegmentHeader | null
  readonly records: number
  readonly living: number
  /** The first and the last offset of the messages; null without a message. */
  readonly offsets: readonly [number, number] | null
  /** Sentences about damage. */
  readonly damages: readonly string[]
  /** Bytes of an incomplete group at the end. */
  readonly tornBytes: number
  /** Whether the end may be a group that a service is writing. */
  readonly isDoubtful: boolean
}

/** The messages of a segment, in the order of the file. */
interface Found {
  readonly offsets: number[]
  readonly positions: number[]
  readonly names: string[]
  readonly untils: number[]
  /** CRC over the CRC fields of all records. */
  sum: number
}

/**
 * Checks all checksums of a segment, and counts its living messages. `purges`: the offset of the last purge of each
 * address in later segments; the purges of this segment are added.
 *
 * @throws {Error} For a segment of another layout.
 */
export function checkSegment (file: SegmentToCheck, purges: Map<string, number>, now: number): SegmentCheck {
  const found: Found = { offsets: [], positions: [], names: [], untils: [], sum: 0 }
  const scan = scanSegment(file satisfies ScanSource, (bytes, at, position) => {
    const [kind, offset] = [recordKind(bytes, at), recordOffset(bytes, at)]
    found.sum = checksum(bytes, at + 4, at + 8, found.sum)
    if (kind === KIND.purge) purges.set(nameOf(bytes, at), Math.max(offset, purges.get(nameOf(bytes, at)) ?? 0))
    if (!isMessage(kind)) return
    found.offsets.push(offset)
    found.positions.push(position)
    found.names.push(nameOf(bytes, at))
    found.untils.push(recordUntil(bytes, at))
  })
  const { header, records, tornBytes, doubtful } = scan
  const isNamed = namedTest(file, found, header?.sealed?.count)
  const isAlive = (offset: number, n: number): boolean => {
    return (found.untils[n] ?? 0) > now && offset > (purges.get(found.names[n] ?? '') ?? 0) && isNamed(offset)
  }
  return {
    header,
    records,
    living: found.offsets.reduce((count, offset, n) => count + Number(isAlive(offset, n)), 0),
    offsets: found.offsets.length === 0 ? null : found.offsets.reduce(widen, [Infinity, 0]),
    damages: [...describe(scan, isNew(file)), ...(header?.sealed == null ? [] : checkSealed(file, scan, found))],
    tornBytes,
    isDoubtful: doubtful !== null
  }
}

function widen ([first, last]: readonly [number, number], offset: number): readonly [number, number] {
  return [Math.min(first, offset), Math.max(last, offset)]
}

/** Whether a service has created the file and has not written the header, or was killed then. */
function isNew ({ size, expected }: SegmentToCheck): boolean {
  return expected === null && size < HEADER_BYTES
}

function describe ({ header, damages, missing, doubtful }: Scan, isNewFile: boolean): string[] {
  return [
    ...(header === null && !isNewFile ? ['the header is damaged'] : []),
    ...(missing > 0 ? [`${missing} records are missing`] : []),
    ...damages.map(({ from, to }) => `bytes ${from} to ${to} are damaged or missing`),
    ...(doubtful === null ? [] : [`bytes ${doubtful.from} to ${doubtful.to}, at the end, are damaged`])
  ]
}

/** Checks what only sealed files have: one group for all records, and a footer that repeats them. */
function checkSealed ({ fd, size, id }: SegmentToCheck, { records }: Scan, found: Found): string[] {
  const bytes = Buffer.alloc(GROUP_BYTES)
  readSync(fd, bytes, 0, GROUP_BYTES, HEADER_BYTES)
  const group = decodeGroupHeader(bytes, 0, HEADER_BYTES, id)
  if (group === null) return ['the header of the group is damaged']
  if (group.count === records && group.sum !== found.sum) return ['the sum of the group is wrong']
  const footer = readFooter(fd, size, id)
  if (typeof footer === 'string') return [footer]
  const offsetAt = new Map(found.positions.map((position, n) => [position, found.offsets[n]]))
  const isFitting = footer.offsets.every((offset, n) => {
    const foundOffset = offsetAt.get(footer.positions[n] ?? 0)
    return foundOffset === offset || (foundOffset === undefined && records < footer.offsets.length)
  })
  return isFitting && footer.offsets.length >= records ? [] : ['the footer does not fit the records']
}

/** Whether the newest checkpoint names a message as alive, or is older than the message. */
function namedTest (
  { fd, size, id, known, isDead, checkpoint }: SegmentToCheck, { offsets }: Found, sealedCount: number | undefined
): (offset: number) => boolean {
  if (isDead) return () => false
  if (checkpoint !== null) return (offset) => offset > checkpoint.asOf || checkpoint.recent.has(offset)
  if (known === null) return () => true
  // With damage, only the footer knows the place of each record.
  const footer = known.note.count === null ? '' : readFooter(fd, size, id)
  const all = typeof footer === 'string' ? Float64Array.from(offsets).sort() : footer.offsets
  const named = livingOffsets(known, all, sealedCount)
  return (offset) => named.has(offset)
}
