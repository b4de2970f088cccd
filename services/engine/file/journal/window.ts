import { readSync } from 'node:fs'

const CHUNK_BYTES = 4 * 1024 ** 2

/** A part of a file in memory, which moves forward as a scan asks for bytes. Blocks. */
export class Window {
  readonly #fd: number
  readonly #size: number
  readonly #chunkBytes: number
  #bytes = Buffer.alloc(0)
  /** Position in the file of the first byte, and the number of bytes from there. */
  #from = 0
  #length = 0

  constructor (fd: number, size: number, chunkBytes = CHUNK_BYTES) {
    this.#fd = fd
    this.#size = size
    this.#chunkBytes = chunkBytes
  }

  /** The bytes in memory. `load` may replace the buffer by another; the bytes of a buffer do not change. */
  get bytes (): Buffer {
    return this.#bytes
  }

  /**
   * Loads a part of the file and returns its index in `bytes`; -1 when the file ends before the end of the part.
   *
   * @throws The error of a read.
   */
  load (position: number, length: number): number {
    const at = position - this.#from
    if (at >= 0 && at + length <= this.#length) return at
    if (position + length > this.#size) return -1
    this.#fill(position, Math.min(Math.max(length, this.#chunkBytes), this.#size - position))
    return length <= this.#length ? 0 : -1
  }

  #fill (position: number, length: number): void {
    this.#bytes = Buffer.allocUnsafeSlow(length)
    this.#from = position
    this.#length = 0
    while (this.#length < length) {
      const count = readSync(this.#fd, this.#bytes, this.#length, length - this.#length, position + this.#length)
      if (count === 0) return
      this.#length += count
    }
  }
}
