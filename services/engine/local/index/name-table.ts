import { randomBytes } from 'node:crypto'
import { decodeText, encodeText } from '../text.ts'
import { keyedHash } from './keyed-hash.ts'

/** The number of no name. */
export const NO_NAME = -1
/** Marks a name whose number `resolveAll` finds. */
export const WANTED = 0xFFFF_FFFF

/** Many names: name n stands between starts n and n + 1 of the bytes (`encodeText`). */
export interface PackedNames {
  readonly starts: Uint32Array
  readonly bytes: Buffer
}

const FIRST_SLOTS = 256
const FIRST_BYTES = 4096
/** Bytes of removed names that stay in memory in any case. */
const COMPACT_AT = 64 * 1024

/**
 * Numbers for names: each name has a number, and the numbers of removed names are reused. An open-addressing hash table
 * (D. E. Knuth, "The Art of Computer Programming", volume 3, section 6.4, linear probing) over names as bytes: a third
 * of the memory of a Map of texts, and a lookup of encoded names without decoding.
 */
export class NameTable {
  readonly #hashKey = new Int32Array(Uint8Array.from(randomBytes(8)).buffer)
  /** Two numbers a slot: the hash of a name, and its number + 1; 0 in a free slot. */
  #slots = new Uint32Array(2 * FIRST_SLOTS)
  /** Two numbers a name: the index of its first byte, and its number of bytes. */
  #spans = new Uint32Array(FIRST_SLOTS)
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #end = 0
  #removedBytes = 0
  /** Numbers so far, those of removed names included. */
  #numbers = 0
  readonly #free: number[] = []
  /** The bytes of the last encoded text. */
  #encoded = Buffer.allocUnsafeSlow(256)

  /** The number of a name; NO_NAME for an unknown one. */
  find (name: string): number {
    const length = this.#encode(name)
    return this.#lookup(this.#hash(this.#encoded, 0, length), this.#encoded, 0, length)
  }

  /** Finds or adds a name. Returns its number. `onAdded`: see `resolveAll`. */
  resolve (name: string, onAdded: (number: number) => void): number {
    const length = this.#encode(name)
    const hash = this.#hash(this.#encoded, 0, length)
    const known = this.#lookup(hash, this.#encoded, 0, length)
    return known === NO_NAME ? this.#add(hash, this.#encoded, 0, length, onAdded) : known
  }

  /**
   * Finds or adds many names, of which each occurs once: sets the number of each name that is WANTED in `numbers`.
   * Several times as fast as one by one: each pass does one random read a name, and a processor does many at a time.
   *
   * @param onAdded Receives the number of each name that the table did not have.
   */
  resolveAll ({ bytes, starts }: PackedNames, numbers: Uint32Array, onAdded: (number: number) => void): void {
    const hashes = new Uint32Array(numbers.length)
    for (let name = 0; name < hashes.length; name++) {
      if (numbers[name] !== WANTED) continue
      hashes[name] = this.#hash(bytes, starts[name] as number, starts[name + 1] as number)
    }
    const firsts = this.#firstsOf(hashes)
    const froms = this.#startsOf(firsts)
    const [own, spans] = [this.#bytes, this.#spans]
    const missing: number[] = []
    for (let name = 0; name < hashes.length; name++) {
      if (numbers[name] !== WANTED) continue
      const first = firsts[name] as number
      const start = starts[name] as number
      const end = starts[name + 1] as number
      const isFirst = first !== NO_NAME && isSame(bytes, start, end, own, froms[name] as number) &&
        spans[2 * first + 1] === end - start
      const number = isFirst ? first : this.#lookup(hashes[name] as number, bytes, start, end)
      if (number === NO_NAME) missing.push(name)
      else numbers[name] = number
    }
    this.#reserve(missing.length)
    for (const name of missing) {
      const hash = hashes[name] as number
      numbers[name] = this.#add(hash, bytes, starts[name] as number, starts[name + 1] as number, onAdded)
    }
  }

  /** Removes a name; its number is given to another name later. */
  remove (number: number): void {
    this.#delete(this.#slotOf(number))
    this.#free.push(number)
    this.#removedBytes += this.#spans[2 * number + 1] as number
    this.#spans[2 * number + 1] = 0
    // A copy of the others visits every number, so it must free much: half of the bytes, and some for each number.
    const compactAt = Math.max(COMPACT_AT, this.#end / 2, 8 * this.#numbers)
    if (this.#removedBytes > compactAt) this.#moveBytes(this.#bytes.length / 2)
  }

  /** The name with a number. */
  name (number: number): string {
    const start = this.#spans[2 * number] as number
    return decodeText(this.#bytes.subarray(start, start + (this.#spans[2 * number + 1] as number)))
  }

  /** The first byte of the name with a number. */
  firstByte (number: number): number {
    return this.#bytes[this.#spans[2 * number] as number] as number
  }

  /** The names of this moment, by their numbers. */
  snapshot (): (number: number) => string {
    const [bytes, spans] = [Buffer.from(this.#bytes.subarray(0, this.#end)), this.#spans.slice()]
    return (number) => {
      const start = spans[2 * number] as number
      return decodeText(bytes.subarray(start, start + (spans[2 * number + 1] as number)))
    }
  }

  #hash (bytes: Uint8Array, start: number, end: number): number {
    return keyedHash(this.#hashKey[0] as number, this.#hashKey[1] as number, bytes, start, end)
  }

  #lookup (hash: number, bytes: Uint8Array, start: number, end: number): number {
    const slots = this.#slots
    const last = slots.length - 2
    for (let slot = 2 * hash & last; ; slot = slot + 2 & last) {
      const number = (slots[slot + 1] as number) - 1
      if (number === NO_NAME) return NO_NAME
      if (slots[slot] === hash && this.#isName(number, bytes, start, end)) return number
    }
  }

  #add (
    hash: number, bytes: Uint8Array, start: number, end: number, onAdded: (number: number) => void
  ): number {
    // First what can fail: a number that is taken belongs to a name.
    const length = end - start
    if (this.#end + length > this.#bytes.length) this.#moveBytes(2 * (this.#end + length))
    this.#reserve(1)
    const number = this.#free.pop() ?? this.#numbers++
    if (2 * number === this.#spans.length) this.#growSpans()
    for (let at = 0; at < length; at++) this.#bytes[this.#end + at] = bytes[start + at] as number
    this.#spans[2 * number] = this.#end
    this.#spans[2 * number + 1] = length
    this.#end += length
    this.#insert(hash, number)
    onAdded(number)
    return number
  }

  /** Writes the bytes of a name to the front of `#encoded`. Returns their number. */
  #encode (name: string): number {
    const { length } = name
    if (length <= this.#encoded.length) {
      const bytes = this.#encoded
      let at = 0
      for (; at < length; at++) {
        const code = name.charCodeAt(at)
        if (code > 0x7F) break
        bytes[at] = code
      }
      if (at === length) return length
    }
    const bytes = encodeText(name)
    if (bytes.length > this.#encoded.length) this.#encoded = Buffer.allocUnsafeSlow(2 * bytes.length)
    this.#encoded.set(bytes)
    return bytes.length
  }

  /** The number in the first slot of each hash, which most often belongs to the name with this hash; or NO_NAME. */
  #firstsOf (hashes: Uint32Array): Int32Array {
    const slots = this.#slots
    const last = slots.length - 2
    const firsts = new Int32Array(hashes.length)
    for (let name = 0; name < hashes.length; name++) {
      const hash = hashes[name] as number
      const slot = 2 * hash & last
      firsts[name] = slots[slot] === hash ? (slots[slot + 1] as number) - 1 : NO_NAME
    }
    return firsts
  }

  /** The index of the first byte of each of many names. */
  #startsOf (numbers: Int32Array): Uint32Array {
    const spans = this.#spans
    const starts = new Uint32Array(numbers.length)
    for (let at = 0; at < numbers.length; at++) {
      const number = numbers[at] as number
      if (number !== NO_NAME) starts[at] = spans[2 * number] as number
    }
    return starts
  }

  #isName (number: number, bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.#spans[2 * number] as number
    return this.#spans[2 * number + 1] === end - start && isSame(bytes, start, end, this.#bytes, from)
  }

  #insert (hash: number, number: number): void {
    const slots = this.#slots
    const last = slots.length - 2
    let slot = 2 * hash & last
    while (slots[slot + 1] !== 0) slot = slot + 2 & last
    slots[slot] = hash
    slots[slot + 1] = number + 1
  }

  #slotOf (number: number): number {
    const start = this.#spans[2 * number] as number
    const end = start + (this.#spans[2 * number + 1] as number)
    const last = this.#slots.length - 2
    let slot = 2 * this.#hash(this.#bytes, start, end) & last
    while (this.#slots[slot + 1] !== number + 1) slot = slot + 2 & last
    return slot
  }

  /** Frees a slot: moves later names of the same run forward, so that no search ends before them (Knuth, 6.4 R). */
  #delete (slot: number): void {
    const slots = this.#slots
    const last = slots.length - 2
    let free = slot
    for (let next = free + 2 & last; slots[next + 1] !== 0; next = next + 2 & last) {
      const home = 2 * (slots[next] as number) & last
      // The name stays where its home is behind the free slot.
      if ((next - home & last) < (next - free & last)) continue
      slots[free] = slots[next] as number
      slots[free + 1] = slots[next + 1] as number
      free = next
    }
    slots[free + 1] = 0
  }

  /** Makes space for more names: at most half of the slots are used. */
  #reserve (count: number): void {
    const needed = 4 * (this.#numbers - this.#free.length + count)
    if (needed <= this.#slots.length) return
    const before = this.#slots
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(needed)))
    for (let slot = 0; slot < before.length; slot += 2) {
      const number = (before[slot + 1] as number) - 1
      if (number !== NO_NAME) this.#insert(before[slot] as number, number)
    }
  }

  #growSpans (): void {
    const spans = new Uint32Array(2 * this.#spans.length)
    spans.set(this.#spans)
    this.#spans = spans
  }

  /** Moves the bytes of the names to a buffer of at least this length. */
  #moveBytes (atLeast: number): void {
    const before = this.#bytes
    const bytes = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, Math.ceil(atLeast)))
    if (this.#removedBytes === 0) before.copy(bytes, 0, 0, this.#end)
    else this.#end = this.#packInto(bytes)
    this.#bytes = bytes
    this.#removedBytes = 0
  }

  /** Copies the bytes of the names, without those of removed names. Returns their end. */
  #packInto (bytes: Buffer): number {
    let end = 0
    for (let number = 0; number < this.#numbers; number++) {
      const length = this.#spans[2 * number + 1] as number
      const start = this.#spans[2 * number] as number
      this.#bytes.copy(bytes, end, start, start + length)
      this.#spans[2 * number] = end
      end += length
    }
    return end
  }
}

/** Whether a part of a buffer is the same as the bytes from an index of another one. */
function isSame (bytes: Uint8Array, start: number, end: number, others: Uint8Array, from: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== others[from + at - start]) return false
  return true
}
