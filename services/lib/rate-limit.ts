/**
 * A token bucket: `perSecond` events a second on average, as many at once after a quiet second. 0 allows everything.
 * The caller brings the time, so that one reading of the clock serves many buckets.
 */
export class RateLimit {
  readonly #perSecond: number
  #tokens: number
  #refilledAt = 0

  constructor (perSecond: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
  }

  /** Takes one event if it is allowed at this time, in ms. */
  allow (now: number): boolean {
    if (this.#perSecond === 0) return true
    const refill = Math.max(0, now - this.#refilledAt) / 1000 * this.#perSecond
    this.#tokens = Math.min(this.#perSecond, this.#tokens + refill)
    this.#refilledAt = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
