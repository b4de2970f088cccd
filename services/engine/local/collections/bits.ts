// Sets of small numbers, one bit each: which records of a sealed file are alive.

/** Bytes for so many numbers, all of them absent. */
export function newBits (count: number): Uint8Array {
  return new Uint8Array(Math.ceil(count / 8))
}

/** The set of all numbers below a count. */
export function allBits (count: number): Uint8Array {
  const bits = newBits(count).fill(0xFF)
  if (count % 8 !== 0) bits[bits.length - 1] = 0xFF >>> (8 - count % 8)
  return bits
}

/** Whether a number is in the set. */
export function hasBit (bits: Uint8Array, number: number): boolean {
  return ((bits[number >>> 3] ?? 0) & (1 << (number & 7))) !== 0
}

/** Adds a number. */
export function setBit (bits: Uint8Array, number: number): void {
  bits[number >>> 3] = (bits[number >>> 3] ?? 0) | (1 << (number & 7))
}

/** Removes a number. */
export function clearBit (bits: Uint8Array, number: number): void {
  bits[number >>> 3] = (bits[number >>> 3] ?? 0) & ~(1 << (number & 7))
}

/** How many numbers are in the set. */
export function countBits (bits: Uint8Array): number {
  let count = 0
  for (let byte of bits) for (; byte !== 0; byte &= byte - 1) count++
  return count
}
