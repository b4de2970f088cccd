/**
 * The hash of a part of a buffer, 32 bits: HalfSipHash-1-3 (https://github.com/veorq/SipHash). Without the key, nobody
 * can choose many texts with the same hash, which would make a hash table slow.
 *
 * @param k0 Half of the key: 32 random bits.
 * @param k1 The other half.
 */
export function keyedHash (k0: number, k1: number, bytes: Uint8Array, start: number, end: number): number {
  let v0 = k0
  let v1 = k1
  let v2 = 0x6C796765 ^ k0
  let v3 = 0x74656462 ^ k1
  const length = end - start
  const words = length >>> 2
  // A round for each word, one for the rest and the length, and three to finish.
  for (let round = 0; round < words + 4; round++) {
    if (round === words + 1) v2 ^= 0xFF
    const word = round < words ? wordAt(bytes, start + 4 * round) : round > words ? 0 : restOf(bytes, end, length)
    v3 ^= word
    v0 = v0 + v1 | 0
    v1 = rotate(v1, 5) ^ v0
    v0 = rotate(v0, 16)
    v2 = v2 + v3 | 0
    v3 = rotate(v3, 8) ^ v2
    v0 = v0 + v3 | 0
    v3 = rotate(v3, 7) ^ v0
    v2 = v2 + v1 | 0
    v1 = rotate(v1, 13) ^ v2
    v2 = rotate(v2, 16)
    v0 ^= word
  }
  return (v1 ^ v3) >>> 0
}

function rotate (word: number, bits: number): number {
  return word << bits | word >>> 32 - bits
}

function wordAt (bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | (bytes[at + 1] as number) << 8 | (bytes[at + 2] as number) << 16 |
    (bytes[at + 3] as number) << 24
}

/** The last word: the bytes that fill no word, and the length. */
function restOf (bytes: Uint8Array, end: number, length: number): number {
  let word = length << 24
  for (let left = length & 3; left > 0; left--) word |= (bytes[end - left] as number) << 8 * ((length & 3) - left)
  return word
}
