import { closeSync, fstatSync, openSync, write } from 'node:fs'
import { promisify } from 'node:util'

/** The least disk headroom after the used bytes, beside the bytes that a transaction itself may need. */
const SPARE_BYTES = 2 * 1024 ** 2
/** Additional bytes per extension of the file, so that not every transaction extends the file. */
const STEP_BYTES = 1024 ** 2
const ZEROS = Buffer.alloc(256 * 1024)

const writeLater = promisify(write)

/**
 * Keeps disk headroom in the file of a store: the file stays longer than its used bytes. lmdb must never detect a full
 * disk by itself: its message about an unwritten page is longer than its buffer for the message, and the process may
 * end. LmdbRoom detects a full disk first, with an error that the engine can handle.
 */
export class LmdbRoom {
  readonly #file: number
  #bytes: number

  /** `path`: the file of the store, which must exist. */
  constructor (path: string) {
    this.#file = openSync(path, 'r+')
    this.#bytes = fstatSync(this.#file).size
  }

  /**
   * Extends the file until `neededBytes` and the spare bytes fit after `usedBytes`. Rejects with the error of the disk.
   * No transaction may be in flight during the call.
   */
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
