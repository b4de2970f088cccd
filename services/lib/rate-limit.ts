/**
 * A token bucket that allows `perSecond` events a second on average, and `burst` events at once after a pause.
 * `perSecond` 0 allows every event. The caller passes the time, so that one reading of the clock serves many buckets.
 */
export class RateLimit {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #refilledAtMs = 0

  /** @param burst Default: the events of one second. */
  constructor (perSecond: number, burst = perSecond) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
  }

  /**
   * Takes events, if the rate allows all of them at this time.
   *
   * @param nowMs The time in ms. A time before the last one neither adds tokens nor removes any.
   * @param count The number of events.
   * @returns Whether the events are allowed.
   */
  allow (nowMs: number, count = 1): boolean {
    if (!this.has(nowMs, count)) return false
    this.#tokens -= count
    return true
  }

  /** Whether `allow` would take the events at this time. */
  has (nowMs: number, count = 1): boolean {
    if (this.#perSecond === 0) return true
    const refill = Math.max(0, nowMs - this.#refilledAtMs) / 1000 * this.#perSecond
    this.#tokens = Math.min(this.#burst, this.#tokens + refill)
    this.#refilledAtMs = nowMs
    return this.#tokens >= count
  }
}
