import { closeSync, fdatasyncSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Offset } from '../../../model/message.ts'
import { hasBit } from '../../local/collections/bits.ts'
import { checksum } from '../journal/checksum.ts'
import { encodeFooter, packNames, readFooter } from '../journal/footer.ts'
import {
  decodeHeader, encodeGroupHeader, encodeHeader, GROUP_BYTES, HEADER_BYTES, isMessage, isRecord, recordKind,
  recordLength, recordOffset, recordParts, recordTime, recordUntil, type SegmentHeader
} from '../journal/format.ts'
import { scanSegment } from '../journal/scan.ts'

/** A segment to seal. */
export interface SealRequest {
  readonly path: string
  readonly id: number
  /** Offset at which the log began. */
  readonly origin: Offset
  /** Greatest offset in the segment and its predecessors. */
  readonly lastOffset: Offset
  /** Bytes of the good part of an unsealed file. */
  readonly length: number
  /** The records to keep: the offsets of an unsealed file, the bits of a sealed one. */
  readonly living: Float64Array | Uint8Array
  /** Whether the file is written to the disk before it takes the place of the former one. */
  readonly isSynced: boolean
}

/** The sealed file. */
export interface SealResult {
  /** Offsets of all records in the file, rising. */
  readonly offsets: Float64Array
  readonly positions: Uint32Array
  /** Offsets of the records that were damaged. */
  readonly damaged: readonly Offset[]
}

/** A record to keep: its place in the former file. */
interface Kept {
  readonly at: number
  readonly address: number
}

/** Bytes that are written at once. */
const CHUNK_BYTES = 4 * 1024 ** 2

/**
 * Rewrites a segment with the living records alone, sorted by address and offset, with a footer behind them. The file
 * takes the place of the former one under the same name. Blocks: meant for a thread of its own.
 *
 * @throws The error of the disk. Then the former file is unchanged.
 */
export function sealSegment (request: SealRequest): SealResult {
  const { path, id, isSynced } = request
  const bytes = readFileSync(path)
  const { places, damaged, header } = request.living instanceof Float64Array
    ? findUnsealed(bytes, request, request.living)
    : findSealed(bytes, request, request.living)
  const { kept, names } = resolveNames(bytes, places)
  const sorted = sortByAddress(kept)
  const temporary = `${path}.tmp`
  const fd = openSync(temporary, 'w', 0o600)
  let positions: Uint32Array
  try {
    positions = writeRecords(fd, bytes, kept, sorted, id)
    const length = header.sealed?.length ?? request.length
    const sealed = { count: kept.length, length, lastOffset: request.lastOffset }
    writeAll(fd, encodeHeader({ ...header, sealed }), 0)
    const end = kept.reduce((sum, { at }) => sum + recordLength(bytes, at), HEADER_BYTES + GROUP_BYTES)
    const footer = encodeFooter({ ...columnsOf(bytes, kept), positions, names: packNames(names) }, end, id)
    writeAll(fd, footer, end)
    if (isSynced) fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, path)
  if (isSynced) syncFolder(dirname(path))
  return { offsets: Float64Array.from(kept, ({ at }) => recordOffset(bytes, at)), positions, damaged }
}

interface Found {
  /** Positions of the records to keep, in the order of their offsets. */
  readonly places: readonly number[]
  readonly damaged: readonly Offset[]
  readonly header: SegmentHeader
}

function findUnsealed (bytes: Buffer, request: SealRequest, living: Float64Array): Found {
  const { path, id, origin, length, lastOffset } = request
  const fd = openSync(path, 'r')
  const places: number[] = []
  const damaged: Offset[] = []
  let next = 0
  try {
    const source = { fd, size: bytes.length, id, expected: { length, lastOffset } }
    const { header } = scanSegment(source, (record, at, position) => {
      if (!isMessage(recordKind(record, at))) return
      const offset = recordOffset(record, at)
      for (; (living[next] ?? Infinity) < offset; next++) damaged.push(living[next] ?? 0)
      if (living[next] !== offset) return
      places.push(position)
      next++
    })
    for (; next < living.length; next++) damaged.push(living[next] ?? 0)
    return { places, damaged, header: header ?? { id, origin, predecessor: null, sealed: null } }
  } finally {
    closeSync(fd)
  }
}

function findSealed (bytes: Buffer, { path, id, origin }: SealRequest, living: Uint8Array): Found {
  const fd = openSync(path, 'r')
  try {
    // The footer is enough for the records: a damaged header is written anew.
    const header = decodeHeader(bytes) ?? { id, origin, predecessor: null, sealed: null }
    const footer = readFooter(fd, bytes.length, id)
    if (typeof footer === 'string') throw new Error(`The segment ${path} is damaged: ${footer}.`)
    const places: number[] = []
    const damaged: Offset[] = []
    for (let ordinal = 0; ordinal < footer.offsets.length; ordinal++) {
      if (!hasBit(living, ordinal)) continue
      const [position, length] = [footer.positions[ordinal] ?? 0, footer.lengths[ordinal] ?? 0]
      if (isRecord(bytes, position, length, id)) places.push(position)
      else damaged.push(footer.offsets[ordinal] ?? 0)
    }
    return { places, damaged, header }
  } finally {
    closeSync(fd)
  }
}

/** Gives each address a number. */
function resolveNames (bytes: Buffer, places: readonly number[]): { kept: Kept[], names: Buffer[] } {
  const numbers = new Map<string, number>()
  const names: Buffer[] = []
  const kept = places.map((at) => {
    const { name } = recordParts(bytes, at)
    const text = name.toString('latin1')
    const known = numbers.get(text)
    const address = known ?? names.length
    if (known === undefined) {
      numbers.set(text, address)
      names.push(name)
    }
    return { at, address }
  })
  return { kept, names }
}

/** The indexes of the records, by address and then by offset. */
function sortByAddress (kept: readonly Kept[]): Float64Array {
  const count = kept.length
  // The records are in the order of their offsets: one number has the address and the index.
  return Float64Array.from(kept, ({ address }, index) => address * count + index).sort().map((key) => key % count)
}

/** Writes the records behind the headers, and the header of their group. Returns the position of each record. */
function writeRecords (
  fd: number, bytes: Buffer, kept: readonly Kept[], sorted: Float64Array, id: number
): Uint32Array {
  const positions = new Uint32Array(kept.length)
  let position = HEADER_BYTES + GROUP_BYTES
  let sum = 0
  let lastOffset: Offset = 0
  let chunk: Buffer[] = []
  let chunkBytes = 0
  const flush = (): void => {
    writeAll(fd, Buffer.concat(chunk), position - chunkBytes)
    chunk = []
    chunkBytes = 0
  }
  for (const index of sorted) {
    const at = kept[index]?.at ?? 0
    const length = recordLength(bytes, at)
    positions[index] = position
    sum = checksum(bytes, at + 4, at + 8, sum)
    lastOffset = Math.max(lastOffset, recordOffset(bytes, at))
    chunk.push(bytes.subarray(at, at + length))
    chunkBytes += length
    position += length
    if (chunkBytes >= CHUNK_BYTES) flush()
  }
  flush()
  const header = Buffer.alloc(GROUP_BYTES)
  const total = position - HEADER_BYTES - GROUP_BYTES
  encodeGroupHeader(header, { start: HEADER_BYTES, bytes: total, count: kept.length, sum, lastOffset }, id)
  writeAll(fd, header, HEADER_BYTES)
  return positions
}

/** The columns of the footer, in the order of the offsets. */
function columnsOf (bytes: Buffer, kept: readonly Kept[]) {
  const expiring = kept.flatMap(({ at }, index) => recordUntil(bytes, at) === Infinity ? [] : [index])
  return {
    offsets: Float64Array.from(kept, ({ at }) => recordOffset(bytes, at)),
    times: Float64Array.from(kept, ({ at }) => recordTime(bytes, at)),
    lengths: Uint32Array.from(kept, ({ at }) => recordLength(bytes, at)),
    addresses: Uint32Array.from(kept, ({ address }) => address),
    expiring: Uint32Array.from(expiring),
    untils: Float64Array.from(expiring, (index) => recordUntil(bytes, kept[index]?.at ?? 0))
  }
}

function writeAll (fd: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, position + at)
}

function syncFolder (path: string): void {
  // Windows cannot open folders, and its file system keeps names in a journal.
  if (process.platform === 'win32') return
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
