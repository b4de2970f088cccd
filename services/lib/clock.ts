/** The two times of day that a program needs, both in ms. */
export interface Clock {
  /** Since the epoch: for what is shown, stored, or stands in a token. It may jump. */
  wall (): number
  /** Since some moment: for how long something has lasted. It never goes back. */
  steady (): number
}

/** The clocks of this machine. */
export const systemClock: Clock = { wall: () => Date.now(), steady: () => performance.now() }
