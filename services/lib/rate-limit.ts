/**
 * A token bucket that allows `perSecond` events a second on average, and as many at once after a quiet second.
 * 0 allows every event. The caller passes the time, so that one reading of the clock serves many buckets.
 */
export class RateLimit {
  readonly #perSecond: number
  #tokens: number
  #refilledAtMs = 0

  constructor (perSecond: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
  }

  /**
   * Takes one event, if the rate allows one at this time.
   *
   * @param nowMs The time in ms. A time before the last one neither adds tokens nor removes any.
   * @returns Whether the event is allowed.
   */
  allow (nowMs: number): boolean {
    if (this.#perSecond === 0) return true
    const refill = Math.max(0, nowMs - this.#refilledAtMs) / 1000 * this.#perSecond
    this.#tokens = Math.min(this.#perSecond, this.#tokens + refill)
    this.#refilledAtMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
