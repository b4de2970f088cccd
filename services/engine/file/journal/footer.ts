import { readSync } from 'node:fs'
import type { Offset } from '../../../model/message.ts'
import { checksum } from './checksum.ts'
import { HEADER_BYTES } from './format.ts'

/** The records of a sealed segment, as columns in the order of the offsets, and the names of their addresses. */
export interface Footer {
  readonly offsets: Float64Array
  /** Times in ms since the epoch. */
  readonly times: Float64Array
  /** Positions of the records in the file. */
  readonly positions: Uint32Array
  /** Lengths of the records in bytes. */
  readonly lengths: Uint32Array
  /** Numbers of the addresses: indexes into the table of names. */
  readonly addresses: Uint32Array
  /** Indexes of the records with an expiry, rising. */
  readonly expiring: Uint32Array
  /** Expiry of each of these records, in ms since the epoch. */
  readonly untils: Float64Array
  readonly names: Names
}

/** A table of names: name n stands between starts n and n + 1 of the bytes. */
export interface Names {
  readonly starts: Uint32Array
  readonly bytes: Buffer
}

export const TRAILER_BYTES = 40
const MAGIC = Buffer.from('fhubend\n')

/** Packs names into a table. */
export function packNames (names: readonly Uint8Array[]): Names {
  const starts = new Uint32Array(names.length + 1)
  let end = 0
  for (let index = 0; index < names.length; index++) {
    end += names[index]?.length ?? 0
    starts[index + 1] = end
  }
  return { starts, bytes: Buffer.concat(names, end) }
}

const align = (position: number): number => Math.ceil(position / 8) * 8

/** Positions of the columns, relative to the beginning of the footer. */
function columns (records: number, expiring: number, names: number, nameBytes: number) {
  const times = 8 * records
  const positions = times + 8 * records
  const lengths = positions + 4 * records
  const addresses = lengths + 4 * records
  const expiringAt = addresses + 4 * records
  const untils = align(expiringAt + 4 * expiring)
  const starts = untils + 8 * expiring
  const bytes = starts + 4 * (names + 1)
  const end = align(bytes + nameBytes)
  return { times, positions, lengths, addresses, expiring: expiringAt, untils, starts, bytes, end }
}

/**
 * Encodes the footer of a sealed segment, to be written at `end`, where the records end. Zeros pad the records to a
 * multiple of 8 bytes; the columns follow in the order of `Footer`, with zeros before `untils` and behind the names, so
 * that both end at multiples of 8 bytes. The trailer is last, in little endian:
 *
 * -  0 u32 count of records
 * -  4 u32 count of records with an expiry
 * -  8 u32 count of names
 * - 12 u32 bytes of the names
 * - 16 f64 position of the footer, behind the padding
 * - 24 u32 reserved, 0
 * - 28 u32 CRC of the footer and of bytes 0 to 28 of the trailer, seeded with the id of the segment
 * - 32 magic, 8 bytes
 */
export function encodeFooter (footer: Footer, end: number, id: number): Buffer {
  const { offsets, times, positions, lengths, addresses, expiring, untils, names } = footer
  const nameCount = names.starts.length - 1
  const at = columns(offsets.length, expiring.length, nameCount, names.bytes.length)
  const position = align(end)
  const whole = Buffer.alloc(position - end + at.end + TRAILER_BYTES)
  const bytes = whole.subarray(position - end)
  put(bytes, offsets, 0)
  put(bytes, times, at.times)
  put(bytes, positions, at.positions)
  put(bytes, lengths, at.lengths)
  put(bytes, addresses, at.addresses)
  put(bytes, expiring, at.expiring)
  put(bytes, untils, at.untils)
  put(bytes, names.starts, at.starts)
  put(bytes, names.bytes, at.bytes)
  bytes.writeUInt32LE(offsets.length, at.end)
  bytes.writeUInt32LE(expiring.length, at.end + 4)
  bytes.writeUInt32LE(nameCount, at.end + 8)
  bytes.writeUInt32LE(names.bytes.length, at.end + 12)
  bytes.writeDoubleLE(position, at.end + 16)
  bytes.writeUInt32LE(checksum(bytes, 0, at.end + 28, id), at.end + 28)
  MAGIC.copy(bytes, at.end + 32)
  return whole
}

function put (bytes: Buffer, { buffer, byteOffset, byteLength }: ArrayBufferView, at: number): void {
  bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at)
}

/**
 * Reads the footer of a sealed segment of `size` bytes. Returns a description of the damage when the footer is not
 * intact: the caller scans the segment. Blocks; the columns are views of one buffer.
 *
 * @throws The error of a read.
 */
export function readFooter (fd: number, size: number, id: number): Footer | string {
  if (size < HEADER_BYTES + TRAILER_BYTES) return 'the file is too short for a footer'
  const trailer = read(fd, size - TRAILER_BYTES, TRAILER_BYTES)
  if (trailer === null) return 'the file ends before its size'
  if (MAGIC.compare(trailer, 32) !== 0) return 'the file does not end with a footer'
  const position = trailer.readDoubleLE(16)
  if (!(position >= HEADER_BYTES && position <= size - TRAILER_BYTES) || position % 8 !== 0) {
    return 'the position of the footer is wrong'
  }
  const [records = 0, expiring = 0, names = 0, nameBytes = 0] = new Uint32Array(trailer.buffer, 0, 4)
  const at = columns(records, expiring, names, nameBytes)
  if (position + at.end + TRAILER_BYTES !== size) return 'the counts of the footer do not fit its size'
  const bytes = read(fd, position, size - position)
  if (bytes === null) return 'the file ends before its size'
  const isIntact = bytes.readUInt32LE(at.end + 28) === checksum(bytes, 0, at.end + 28, id)
  if (!isIntact) return 'the checksum of the footer is wrong'
  const footer = decode(bytes, at)
  return isConsistent(footer, position) ? footer : 'the columns of the footer contradict each other'
}

function decode (bytes: Buffer, at: ReturnType<typeof columns>): Footer {
  const { buffer, byteOffset } = bytes
  const records = bytes.readUInt32LE(at.end)
  const expiring = bytes.readUInt32LE(at.end + 4)
  const nameBytes = bytes.readUInt32LE(at.end + 12)
  return {
    offsets: new Float64Array(buffer, byteOffset, records),
    times: new Float64Array(buffer, byteOffset + at.times, records),
    positions: new Uint32Array(buffer, byteOffset + at.positions, records),
    lengths: new Uint32Array(buffer, byteOffset + at.lengths, records),
    addresses: new Uint32Array(buffer, byteOffset + at.addresses, records),
    expiring: new Uint32Array(buffer, byteOffset + at.expiring, expiring),
    untils: new Float64Array(buffer, byteOffset + at.untils, expiring),
    names: {
      starts: new Uint32Array(buffer, byteOffset + at.starts, bytes.readUInt32LE(at.end + 8) + 1),
      bytes: bytes.subarray(at.bytes, at.bytes + nameBytes)
    }
  }
}

/** Whether the columns describe records in front of the footer, in rising order of offsets, with known addresses. */
function isConsistent (footer: Footer, end: number): boolean {
  const { offsets, positions, lengths, addresses, names } = footer
  let last: Offset = -1
  for (let index = 0; index < offsets.length; index++) {
    const offset = offsets[index] as number
    const position = positions[index] as number
    if (!(offset > last) || position < HEADER_BYTES || position + (lengths[index] as number) > end) return false
    if ((addresses[index] as number) >= names.starts.length - 1) return false
    last = offset
  }
  return true
}

/** Reads bytes into a buffer of their own, so that columns are aligned; null when the file ends before them. */
function read (fd: number, position: number, length: number): Buffer | null {
  const bytes = Buffer.from(new ArrayBuffer(length))
  let at = 0
  while (at < length) {
    const count = readSync(fd, bytes, at, length - at, position + at)
    if (count === 0) return null
    at += count
  }
  return bytes
}
