import { closeSync, fstatSync, openSync, write } from 'node:fs'
import { promisify } from 'node:util'

/** Room that there is at least behind what is used, beside what a transaction itself may need. */
const SPARE_BYTES = 2 * 1024 ** 2
/** So much more is taken at once, so that not every transaction has to take some. */
const STEP_BYTES = 1024 ** 2
const ZEROS = Buffer.alloc(256 * 1024)

const writeLater = promisify(write)

/**
 * Keeps the file of a store longer than what is used of it. lmdb must never find out by itself that a disk is full: what it
 * has to say about a page that it could not write is longer than the memory it takes for that, and the process may end. So
 * whether there is room is found out here, with an error that can be answered.
 */
export class LmdbRoom {
  readonly #file: number
  #bytes: number

  /** `path`: the file, which is there. */
  constructor (path: string) {
    this.#file = openSync(path, 'r+')
    this.#bytes = fstatSync(this.#file).size
  }

  /** Makes sure that so much can be written behind what is used. Rejects as the disk does. No transaction may be on its way. */
  async reserve (usedBytes: number, neededBytes: number): Promise<void> {
    const least = usedBytes + SPARE_BYTES + neededBytes
    if (this.#bytes >= least) return
    while (this.#bytes < least + STEP_BYTES) {
      const { bytesWritten } = await writeLater(this.#file, ZEROS, 0, ZEROS.length, this.#bytes)
      this.#bytes += bytesWritten
    }
  }

  close (): void {
    closeSync(this.#file)
  }
}
