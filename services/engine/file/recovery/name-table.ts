import type { AddressKey } from '../../../model/message.ts'
import type { AddressNumber } from '../../local/index/addresses.ts'
import { decodeText } from '../../local/text.ts'

const FIRST_SLOTS = 1024
const FIRST_BYTES = 64 * 1024

/**
 * The numbers of addresses by the bytes of their names, for a start with many segments: most names occur in many
 * segments, and a lookup by bytes is several times as fast as decoding a name and looking up a text.
 *
 * An open-addressing hash table; the names stand in one array of bytes, one behind the other.
 */
export class NameTable {
  /** Two numbers a slot: the hash of a name, and the index of the name + 1; 0 in a free slot. */
  #slots = new Uint32Array(2 * FIRST_SLOTS)
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  /** Two numbers a name: the end of its bytes, and the number of its address. */
  #names = new Uint32Array(2 * FIRST_SLOTS)
  #count = 0

  /** The number of the address whose name stands in a part of a buffer; `resolve` gives the number of a new one. */
  number (bytes: Buffer, start: number, end: number, resolve: (key: AddressKey) => AddressNumber): AddressNumber {
    const hash = hashOf(bytes, start, end)
    const slots = this.#slots
    const mask = slots.length / 2 - 1
    let slot = hash & mask
    for (let name = slots[2 * slot + 1] as number; name !== 0; name = slots[2 * slot + 1] as number) {
      if (slots[2 * slot] === hash && this.#isName(name - 1, bytes, start, end)) {
        return this.#names[2 * (name - 1) + 1] as number
      }
      slot = (slot + 1) & mask
    }
    const number = resolve(decodeText(bytes.subarray(start, end)))
    this.#add(bytes, start, end, number)
    slots[2 * slot] = hash
    slots[2 * slot + 1] = this.#count
    if (4 * this.#count > slots.length) this.#grow()
    return number
  }

  #add (bytes: Buffer, start: number, end: number, number: AddressNumber): void {
    const from = this.#endOf(this.#count - 1)
    const to = from + end - start
    if (to > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(2 * to)
      this.#bytes.copy(larger)
      this.#bytes = larger
    }
    bytes.copy(this.#bytes, from, start, end)
    if (2 * this.#count === this.#names.length) {
      const larger = new Uint32Array(2 * this.#names.length)
      larger.set(this.#names)
      this.#names = larger
    }
    this.#names[2 * this.#count] = to
    this.#names[2 * this.#count + 1] = number
    this.#count++
  }

  #grow (): void {
    const before = this.#slots
    const slots = new Uint32Array(2 * before.length)
    const mask = slots.length / 2 - 1
    for (let at = 0; at < before.length; at += 2) {
      if (before[at + 1] === 0) continue
      let slot = (before[at] as number) & mask
      while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask
      slots[2 * slot] = before[at] as number
      slots[2 * slot + 1] = before[at + 1] as number
    }
    this.#slots = slots
  }

  #endOf (name: number): number {
    return name === -1 ? 0 : this.#names[2 * name] as number
  }

  #isName (name: number, bytes: Buffer, start: number, end: number): boolean {
    const from = this.#endOf(name - 1)
    if (this.#endOf(name) - from !== end - start) return false
    for (let at = start; at < end; at++) if (bytes[at] !== this.#bytes[from + at - start]) return false
    return true
  }
}

/** FNV-1a (draft-eastlake-fnv), 32 bits, with a last mix so that the low bits depend on all bytes. */
function hashOf (bytes: Buffer, start: number, end: number): number {
  let hash = 0x811C9DC5
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193)
  hash ^= hash >>> 15
  return Math.imul(hash, 0x2C1B3C6D) >>> 0
}
