/** The two times of day that a program needs, both in ms. */
export interface Clock {
  /** Since the epoch: for what is shown, stored, or stands in a token. It may jump. */
  wall (): number
  /** Since some moment: for how long something has lasted. It never goes back. */
  steady (): number
}

/** The clocks of this machine. */
export const systemClock: Clock = { wall: () => Date.now(), steady: () => performance.now() }

/**
 * Numbers that only rise: microseconds since the epoch, or the last number + 1 when the clock has not moved on or went
 * back. Unique within a process and, as long as fewer than a million are drawn per second, across its restarts.
 * They stay below 2^53 until the year 2255.
 */
export class RisingClock {
  #last: number
  readonly #now: () => number

  constructor (now: () => number = Date.now, last = 0) {
    this.#now = now
    this.#last = last
  }

  next (): number {
    this.#last = Math.max(this.#now() * 1000, this.#last + 1)
    return this.#last
  }
}
