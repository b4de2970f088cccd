import { closeSync, fdatasync, fdatasyncSync, openSync, readFileSync, write, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Offset } from '../../../model/message.ts'
import { RisingClock } from '../../../lib/clock.ts'

/** How far ahead of the clock offsets are reserved, in ms. */
const LEASE_MS = 30_000
/** The least number of offsets to reserve beyond the last: more than the engine draws between two reservations. */
const HEADROOM = 1_000_000
/** The bound of valid offsets: a file with a greater number is damaged. */
const HIGHEST = 8e15
/** The length of a padded number and its line break. */
const LINE_BYTES = 17
/** Each of the two lines has its own writer, so that a slow write never replaces a new number with an old number. */
const LINE = { renewed: 0, extended: 1 }

const writeLater = promisify(write)
const syncLater = promisify(fdatasync)

/**
 * Draws offsets that were never drawn before, despite a crash of the process, a loss of its data, or a leap of the
 * clock. A file contains a reserved bound, and the bound is written before any offset below it is drawn. A killed
 * process has therefore drawn no offset above the bound, even if its messages did not reach the disk. The next process
 * begins above the bound.
 */
export class OffsetLease {
  readonly #file: number
  readonly #now: () => number
  readonly #clock: RisingClock
  #renewing: Promise<void> | null = null
  #last: Offset
  /** The bound in the file. */
  #upTo: Offset

  private constructor (file: number, last: Offset, now: () => number) {
    this.#file = file
    this.#now = now
    this.#clock = new RisingClock(now, last)
    this.#last = this.#upTo = last
  }

  /** Opens the file and reserves offsets. `atLeast`: an offset that an earlier process has certainly drawn. */
  static open (path: string, atLeast: Offset, now: () => number): OffsetLease {
    closeSync(openSync(path, 'a', 0o600))
    const content = readFileSync(path, 'latin1')
    const drawn = Object.values(LINE).map((at) => Number(content.slice(at * LINE_BYTES, (at + 1) * LINE_BYTES)))
    const lease = new OffsetLease(openSync(path, 'r+'), Math.max(atLeast, ...drawn.filter((offset) => offset < HIGHEST)), now)
    lease.#extend()
    return lease
  }

  /** The last drawn offset, or the bound of an earlier process; 0 before the first offset. */
  get last (): Offset {
    return this.#last
  }

  next (): Offset {
    this.#last = this.#clock.next()
    if (this.#last > this.#upTo) this.#extend()
    return this.#last
  }

  /** Reserves further offsets when the lease is due. The caller must call this method several times per LEASE_MS. */
  renew (): void {
    this.#renewing ??= this.#renew().finally(() => { this.#renewing = null })
  }

  async #renew (): Promise<void> {
    if (this.#upTo - LEASE_MS * 500 > Math.max(this.#now() * 1000, this.#last)) return
    const upTo = this.#target()
    try {
      await writeLater(this.#file, line(upTo), 0, LINE_BYTES, LINE.renewed * LINE_BYTES)
      await syncLater(this.#file)
      this.#upTo = Math.max(this.#upTo, upTo)
    } catch {
      // The disk is full or broken. The writer of the log reports the same failure; the next call retries.
    }
  }

  /** Returns the undrawn offsets and closes the file. */
  async close (): Promise<void> {
    // A pending renewal writes to the file descriptor, which must not belong to another file by then.
    await this.#renewing
    try {
      writeSync(this.#file, Buffer.concat([line(this.#last), line(this.#last)]), 0, 2 * LINE_BYTES, 0)
      fdatasyncSync(this.#file)
    } catch {
      // The bound in the file stays too high, which is harmless.
    }
    closeSync(this.#file)
  }

  /**
   * Reserves synchronously, for an offset above the bound: after a standstill of the process or a leap of the clock.
   */
  #extend (): void {
    const upTo = this.#target()
    try {
      writeSync(this.#file, line(upTo), 0, LINE_BYTES, LINE.extended * LINE_BYTES)
      fdatasyncSync(this.#file)
    } catch {
      // Messages continue without a reservation. An offset can repeat only after a crash now, followed by a clock that
      // goes back before the next start.
    }
    this.#upTo = upTo
  }

  #target (): Offset {
    return Math.max(this.#last + HEADROOM, (this.#now() + LEASE_MS) * 1000)
  }
}

function line (offset: Offset): Buffer {
  return Buffer.from(`${String(offset).padStart(LINE_BYTES - 1, '0')}\n`)
}
