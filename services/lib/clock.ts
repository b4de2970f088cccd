/** The time, as a dependency: tests hand in a clock that they move. Both readings are in ms. */
export interface Clock {
  /**
   * Time since the epoch, for stored values, shown times and token expiry. The reading may jump when the system time is
   * set.
   */
  wall (): number
  /** Time since an arbitrary moment, for measuring durations. The reading never goes back. */
  steady (): number
}

/** The clocks of this machine. */
export const systemClock: Clock = { wall: () => Date.now(), steady: () => performance.now() }

/**
 * Numbers that only rise: microseconds since the epoch, or the last number + 1 while the clock stands still or after
 * the clock went back. Unique within a process and, as long as fewer than a million are drawn per second, across
 * restarts. The numbers stay below 2^53 until the year 2255.
 */
export class RisingClock {
  readonly #now: () => number
  #last: number

  /**
   * @param now The time in ms since the epoch.
   * @param last Every number is greater than this one, for example the last number of an earlier run.
   */
  constructor (now: () => number = Date.now, last = 0) {
    this.#now = now
    this.#last = last
  }

  /** Draws the next number. */
  next (): number {
    this.#last = Math.max(this.#now() * 1000, this.#last + 1)
    return this.#last
  }
}
