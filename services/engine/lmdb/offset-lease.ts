import { closeSync, fdatasync, fdatasyncSync, openSync, readFileSync, write, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Offset } from '../../model/message.ts'
import { RisingClock } from '../../lib/clock.ts'

/** How far ahead of the clock offsets are reserved, in ms. */
const LEASE_MS = 30_000
/** Offsets that are reserved beyond the last at least: more than are drawn between two reservations. */
const HEADROOM = 1_000_000
/** Nothing above this was ever drawn: a file that says so is damaged. */
const HIGHEST = 8e15
/** A number, padded, and the end of its line. */
const LINE_BYTES = 17
/** Each of two lines has its own writer, so that a slow one never puts an old number in the place of a new one. */
const LINE = { renewed: 0, extended: 1 }

const writeLater = promisify(write)
const syncLater = promisify(fdatasync)

/**
 * Draws offsets that were never drawn before, whatever happens to the process, to its data, or to the clock. A file says
 * up to where offsets may have been drawn; it is written before they are, so a process that is killed has drawn none above
 * it, whether or not its messages got to the disk. The next process begins above it.
 */
export class OffsetLease {
  readonly #file: number
  readonly #now: () => number
  readonly #clock: RisingClock
  #renewing: Promise<void> | null = null
  #last: Offset
  /** What the file says. */
  #upTo: Offset

  private constructor (file: number, last: Offset, now: () => number) {
    this.#file = file
    this.#now = now
    this.#clock = new RisingClock(now, last)
    this.#last = this.#upTo = last
  }

  /** `atLeast`: an offset that is known to have been drawn. */
  static open (path: string, atLeast: Offset, now: () => number): OffsetLease {
    closeSync(openSync(path, 'a'))
    const content = readFileSync(path, 'latin1')
    const drawn = Object.values(LINE).map((at) => Number(content.slice(at * LINE_BYTES, (at + 1) * LINE_BYTES)))
    const lease = new OffsetLease(openSync(path, 'r+'), Math.max(atLeast, ...drawn.filter((offset) => offset < HIGHEST)), now)
    lease.#extend()
    return lease
  }

  /** The last offset that was drawn, or may have been by an earlier process; 0 before the first. */
  get last (): Offset {
    return this.#last
  }

  next (): Offset {
    this.#last = this.#clock.next()
    if (this.#last > this.#upTo) this.#extend()
    return this.#last
  }

  /** Reserves some more, if it is time to. Call it several times within the time of a lease. */
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
      // The disk is full or broken, which the log finds out as well; the next time it is tried again.
    }
  }

  /** Gives back what was not drawn. */
  async close (): Promise<void> {
    // It writes to a file that must not be another one by then.
    await this.#renewing
    try {
      writeSync(this.#file, Buffer.concat([line(this.#last), line(this.#last)]), 0, 2 * LINE_BYTES, 0)
      fdatasyncSync(this.#file)
    } catch {
      // What the file says is too much then, which does no harm.
    }
    closeSync(this.#file)
  }

  /** At once: an offset is to be drawn that is not covered, after a standstill of the process or a leap of the clock. */
  #extend (): void {
    const upTo = this.#target()
    try {
      writeSync(this.#file, line(upTo), 0, LINE_BYTES, LINE.extended * LINE_BYTES)
      fdatasyncSync(this.#file)
    } catch {
      // Messages go on without. To be drawn twice, it takes a crash now and a clock that goes back before the next start.
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
