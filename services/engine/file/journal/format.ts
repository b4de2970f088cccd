import type { Offset } from '../../../model/message.ts'
import { checksum } from './checksum.ts'

/** The version of the layout. The size of the header, its first 10 bytes and its CRC are the same in every version. */
const LAYOUT = 1
export const HEADER_BYTES = 72
export const GROUP_BYTES = 32
/** Bytes of a record without name, options and payload. */
export const RECORD_BYTES = 40
const RECORD_VERSION = 1

/** The first byte does not occur before an ASCII character in UTF-8, so no text contains the magic number. */
export const GROUP_MAGIC = Buffer.from([0xF1, 0x67, 0x72, 0x70])
const GROUP_MAGIC_NUMBER = GROUP_MAGIC.readUInt32LE()
const MAGIC = Buffer.from('fhublog\n')
const SEALED = 1

/**
 * The kinds of records:
 *
 * - `text`, `json`, `binary`: messages. Name: the key of the address. Options: JSON, or empty.
 * - `keyUse`: the use of an idempotency key. Name: the key. Payload: the digest of the draft. Until: the end of the
 *   window. Options: `stored` for a message that the log has.
 * - `purge`: the messages of an address below the offset are gone. Name: the key of the address.
 * - `value`, `removal`: a value of the state. Name: the encoded key. Payload: JSON.
 * - `loss`: messages of an address that the log does not have. Name: the key of the address. Offset: the greatest of
 *   theirs. Payload: their number.
 * - `doubt`: a gap up to the offset for every address.
 *
 * In checkpoints alone:
 *
 * - `evicted`: all evictions of an address, in the form of `loss`.
 * - `dropped`: the greatest offset of dropped tombstones. Payload: the kind of address.
 * - `living`: the living records of a segment. Options: JSON. Payload: bits or offsets.
 * - `padding`: no meaning. Keeps its neighbours in different blocks of the disk.
 * - `end`: the checkpoint is complete. Offset: the last record whose effects it has. Payload: the number of records.
 */
export const KIND = {
  text: 1,
  json: 2,
  binary: 3,
  keyUse: 4,
  purge: 5,
  value: 6,
  removal: 7,
  loss: 8,
  doubt: 9,
  evicted: 10,
  dropped: 11,
  living: 12,
  end: 13,
  padding: 14
} as const
export type Kind = typeof KIND[keyof typeof KIND]
const LAST_KIND = KIND.padding

/** The predecessor of a segment, as the header of the segment names it. */
export interface Predecessor {
  readonly id: number
  /** Length of the file in bytes; bytes behind it were never acknowledged. */
  readonly length: number
  /** Greatest offset in the segment and its predecessors. */
  readonly lastOffset: Offset
}

/** The additional fields in the header of a sealed segment. */
export interface Sealed {
  /** Records in the file. */
  readonly count: number
  /** Length of the file before sealing: the header of the successor names it. */
  readonly length: number
  /** Greatest offset of the file before sealing: the header of the successor names it. */
  readonly lastOffset: Offset
}

/** The header of a segment. */
export interface SegmentHeader {
  readonly id: number
  /** Offset at which the log began. */
  readonly origin: Offset
  readonly predecessor: Predecessor | null
  /** Null for a segment as the journal writes it. */
  readonly sealed: Sealed | null
}

/**
 * Encodes the header of a segment, in little endian:
 *
 * -  0 magic, 8 bytes
 * -  8 u16 layout
 * - 10 u16 flags: 1 = sealed
 * - 12 u32 id
 * - 16 f64 origin
 * - 24 u32 id of the predecessor; 0 without one
 * - 28 u32 count of records; 0 in an unsealed file
 * - 32 f64 length of the predecessor
 * - 40 f64 last offset of the predecessor
 * - 48 f64 own original length; 0 in an unsealed file
 * - 56 f64 own original last offset; 0 in an unsealed file
 * - 64 u32 reserved, 0
 * - 68 u32 CRC of bytes 0 to 68
 */
export function encodeHeader ({ id, origin, predecessor, sealed }: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  MAGIC.copy(bytes)
  bytes.writeUInt16LE(LAYOUT, 8)
  bytes.writeUInt16LE(sealed === null ? 0 : SEALED, 10)
  bytes.writeUInt32LE(id, 12)
  bytes.writeDoubleLE(origin, 16)
  bytes.writeUInt32LE(predecessor?.id ?? 0, 24)
  bytes.writeUInt32LE(sealed?.count ?? 0, 28)
  bytes.writeDoubleLE(predecessor?.length ?? 0, 32)
  bytes.writeDoubleLE(predecessor?.lastOffset ?? 0, 40)
  bytes.writeDoubleLE(sealed?.length ?? 0, 48)
  bytes.writeDoubleLE(sealed?.lastOffset ?? 0, 56)
  bytes.writeUInt32LE(checksum(bytes, 0, HEADER_BYTES - 4, 0), HEADER_BYTES - 4)
  return bytes
}

/**
 * Decodes the header of a segment. Returns null for damaged bytes.
 *
 * @throws {Error} For an intact header of another layout: such a file must not be treated as damaged.
 */
export function decodeHeader (bytes: Buffer): SegmentHeader | null {
  if (bytes.length < HEADER_BYTES || MAGIC.compare(bytes, 0, MAGIC.length) !== 0) return null
  if (bytes.readUInt32LE(HEADER_BYTES - 4) !== checksum(bytes, 0, HEADER_BYTES - 4, 0)) return null
  const layout = bytes.readUInt16LE(8)
  if (layout !== LAYOUT) {
    throw new Error(`A segment has layout ${layout}, and this version reads layout ${LAYOUT}; use the version that wrote it.`)
  }
  const predecessorId = bytes.readUInt32LE(24)
  return {
    id: bytes.readUInt32LE(12),
    origin: bytes.readDoubleLE(16),
    predecessor: predecessorId === 0
      ? null
      : { id: predecessorId, length: bytes.readDoubleLE(32), lastOffset: bytes.readDoubleLE(40) },
    sealed: (bytes.readUInt16LE(10) & SEALED) === 0
      ? null
      : { count: bytes.readUInt32LE(28), length: bytes.readDoubleLE(48), lastOffset: bytes.readDoubleLE(56) }
  }
}

/**
 * Completes a group whose records stand behind 32 free bytes: writes the CRC of each record, then the header of the
 * group. The header, in little endian:
 *
 * -  0 u32 magic
 * -  4 u32 CRC of bytes 8 to 32, seeded with the id of the segment
 * -  8 u32 start: position of the group in its file
 * - 12 u32 bytes of the records that follow
 * - 16 u32 count of the records
 * - 20 u32 sum: CRC over the CRC fields of the records, in order
 * - 24 f64 last offset: the greatest offset up to the end of the group, of this segment or an earlier one
 */
export function finishGroup (bytes: Buffer, end: number, start: number, id: number, lastOffset: Offset): void {
  let count = 0
  let sum = 0
  for (let at = GROUP_BYTES; at < end; at += recordLength(bytes, at)) {
    bytes.writeUInt32LE(recordChecksum(bytes, at, id), at + 4)
    sum = checksum(bytes, at + 4, at + 8, sum)
    count++
  }
  encodeGroupHeader(bytes, { start, bytes: end - GROUP_BYTES, count, sum, lastOffset }, id)
}

/** The header of a group. */
export interface GroupHeader {
  readonly start: number
  readonly bytes: number
  readonly count: number
  readonly sum: number
  readonly lastOffset: Offset
}

/** Encodes the header of a group at the beginning of a buffer. */
export function encodeGroupHeader (bytes: Buffer, header: GroupHeader, id: number): void {
  bytes.writeUInt32LE(GROUP_MAGIC_NUMBER, 0)
  bytes.writeUInt32LE(header.start, 8)
  bytes.writeUInt32LE(header.bytes, 12)
  bytes.writeUInt32LE(header.count, 16)
  bytes.writeUInt32LE(header.sum, 20)
  bytes.writeDoubleLE(header.lastOffset, 24)
  bytes.writeUInt32LE(checksum(bytes, 8, GROUP_BYTES, id), 4)
}

/** Decodes the header of a group; null unless the bytes are a header for exactly this position in this segment. */
export function decodeGroupHeader (bytes: Buffer, at: number, position: number, id: number): GroupHeader | null {
  if (at + GROUP_BYTES > bytes.length || bytes.readUInt32LE(at) !== GROUP_MAGIC_NUMBER) return null
  if (bytes.readUInt32LE(at + 8) !== position) return null
  if (bytes.readUInt32LE(at + 4) !== checksum(bytes, at + 8, at + GROUP_BYTES, id)) return null
  return {
    start: position,
    bytes: bytes.readUInt32LE(at + 12),
    count: bytes.readUInt32LE(at + 16),
    sum: bytes.readUInt32LE(at + 20),
    lastOffset: bytes.readDoubleLE(at + 24)
  }
}

/** The content of a record. Names and options are bytes of other code. */
export interface RecordContent {
  readonly kind: Kind
  readonly offset: Offset
  /** Time of the record in ms since the epoch. */
  readonly at: number
  /** Expiry in ms since the epoch; Infinity without one. */
  readonly until: number
  /** At most 65 535 bytes. */
  readonly name: Uint8Array
  readonly options: string
  readonly payload: string | Uint8Array
}

/**
 * Encodes a record, in little endian. The journal writes the CRC when it forms the group.
 *
 * -  0 u32 length of the whole record
 * -  4 u32 CRC of bytes 8 to length, seeded with the id of the segment
 * -  8 u8 version
 * -  9 u8 kind
 * - 10 u16 bytes of the name
 * - 12 u32 bytes of the options
 * - 16 f64 offset
 * - 24 f64 time in ms
 * - 32 f64 expiry in ms; Infinity without one
 * - 40 name, options, payload
 *
 * @throws {RangeError} For a name of more than 65 535 bytes.
 */
export function encodeRecord ({ kind, offset, at, until, name, options, payload }: RecordContent): Buffer {
  const optionsBytes = options === '' ? 0 : Buffer.byteLength(options)
  const payloadBytes = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
  const bytes = Buffer.allocUnsafe(RECORD_BYTES + name.length + optionsBytes + payloadBytes)
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt32LE(0, 4)
  bytes.writeUInt8(RECORD_VERSION, 8)
  bytes.writeUInt8(kind, 9)
  bytes.writeUInt16LE(name.length, 10)
  bytes.writeUInt32LE(optionsBytes, 12)
  bytes.writeDoubleLE(offset, 16)
  bytes.writeDoubleLE(at, 24)
  bytes.writeDoubleLE(until, 32)
  let end = RECORD_BYTES
  bytes.set(name, end)
  end += name.length
  if (optionsBytes > 0) end += bytes.write(options, end)
  if (typeof payload === 'string') bytes.write(payload, end)
  else bytes.set(payload, end)
  return bytes
}

/** The length of the record at an index of a buffer. */
export function recordLength (bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at)
}

export function recordKind (bytes: Buffer, at: number): number {
  return bytes.readUInt8(at + 9)
}

export function recordOffset (bytes: Buffer, at: number): Offset {
  return bytes.readDoubleLE(at + 16)
}

export function recordTime (bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at + 24)
}

export function recordUntil (bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at + 32)
}

/** The CRC of the record at an index of a buffer, as it should be in a segment. */
function recordChecksum (bytes: Buffer, at: number, id: number): number {
  return checksum(bytes, at + 8, at + recordLength(bytes, at), id)
}

/** Whether the lengths in the head of a record fit each other and `limit`, without a look at the CRC. */
export function isPlausible (bytes: Buffer, at: number, limit: number): boolean {
  if (limit < RECORD_BYTES || bytes[at + 8] !== RECORD_VERSION) return false
  const kind = recordKind(bytes, at)
  if (kind === 0 || kind > LAST_KIND) return false
  const length = recordLength(bytes, at)
  return length <= limit && RECORD_BYTES + bytes.readUInt16LE(at + 10) + bytes.readUInt32LE(at + 12) <= length
}

/** Whether an intact record of a segment stands at an index of a buffer and ends at most `limit` bytes later. */
export function isRecord (bytes: Buffer, at: number, limit: number, id: number): boolean {
  return isPlausible(bytes, at, limit) && bytes.readUInt32LE(at + 4) === recordChecksum(bytes, at, id)
}

/** Whether a record is a message. */
export function isMessage (kind: number): boolean {
  return kind >= KIND.text && kind <= KIND.binary
}

/** A view of the name of a record; no bytes are copied. */
export function recordName (bytes: Buffer, at: number): Buffer {
  return bytes.subarray(at + RECORD_BYTES, at + RECORD_BYTES + bytes.readUInt16LE(at + 10))
}

/** Views of the variable parts of a record; no bytes are copied. */
export function recordParts (bytes: Buffer, at: number): { name: Buffer, options: Buffer, payload: Buffer } {
  const optionsAt = at + RECORD_BYTES + bytes.readUInt16LE(at + 10)
  const payloadAt = optionsAt + bytes.readUInt32LE(at + 12)
  return {
    name: bytes.subarray(at + RECORD_BYTES, optionsAt),
    options: bytes.subarray(optionsAt, payloadAt),
    payload: bytes.subarray(payloadAt, at + recordLength(bytes, at))
  }
}

/** The name of the file of a segment: `00000042.seg`. */
export function segmentName (id: number): string {
  return `${String(id).padStart(8, '0')}.seg`
}

/** The id in the name of a file; null for another file. */
export function segmentId (name: string): number | null {
  return /^\d{8,10}\.seg$/.test(name) ? Number.parseInt(name) : null
}
