import { crc32 } from 'node:zlib'

/** Bytes from which zlib is faster than the tables, in spite of the view that each call of zlib needs. */
const ZLIB_FROM = 512

/** Eight tables of 256 entries: eight bytes for each step. */
const TABLES = new Uint32Array(8 * 256)
for (let byte = 0; byte < 256; byte++) {
  let sum = byte
  for (let bit = 0; bit < 8; bit++) sum = (sum & 1) === 1 ? (sum >>> 1) ^ 0xEDB88320 : sum >>> 1
  TABLES[byte] = sum
}
for (let index = 256; index < TABLES.length; index++) {
  const previous = TABLES[index - 256] ?? 0
  TABLES[index] = (TABLES[previous & 255] ?? 0) ^ (previous >>> 8)
}

/**
 * The CRC-32 (as in zlib and gzip, RFC 1952 section 8) of a part of a buffer, continued from an earlier CRC. The
 * checksums of a segment continue from its id, so that bytes of another file have wrong checksums.
 */
export function checksum (bytes: Uint8Array, from: number, to: number, seed: number): number {
  if (to - from >= ZLIB_FROM) return crc32(bytes.subarray(from, to), seed)
  let sum = ~seed
  let at = from
  for (; at + 8 <= to; at += 8) {
    sum ^= byteAt(bytes, at) | byteAt(bytes, at + 1) << 8 | byteAt(bytes, at + 2) << 16 | byteAt(bytes, at + 3) << 24
    sum = entry(1792 + (sum & 255)) ^ entry(1536 + (sum >>> 8 & 255)) ^
      entry(1280 + (sum >>> 16 & 255)) ^ entry(1024 + (sum >>> 24)) ^
      entry(768 + byteAt(bytes, at + 4)) ^ entry(512 + byteAt(bytes, at + 5)) ^
      entry(256 + byteAt(bytes, at + 6)) ^ entry(byteAt(bytes, at + 7))
  }
  for (; at < to; at++) sum = entry((sum ^ byteAt(bytes, at)) & 255) ^ (sum >>> 8)
  return ~sum >>> 0
}

function byteAt (bytes: Uint8Array, at: number): number {
  return bytes[at] as number
}

function entry (index: number): number {
  return TABLES[index] as number
}
