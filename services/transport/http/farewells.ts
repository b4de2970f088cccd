import { createHash } from 'node:crypto'
import { BoundedMap } from '../../lib/bounded-map.ts'
import type { Clock } from '../../lib/clock.ts'

/** Farewells that are remembered; beyond them the oldest is evicted. */
const MAX_FAREWELLS = 10_000

/**
 * Clients of event streams that were sent away for good. An `EventSource` reconnects after every end of a stream, and
 * stops only at a response such as 204 (WHATWG HTML section 9.2.3). The client is recognised by its token and path;
 * another token of the same user connects.
 */
export class Farewells {
  readonly #until = new BoundedMap<string, number>(MAX_FAREWELLS)
  readonly #rememberMs: number
  readonly #clock: Clock

  /** @param rememberMs Time in ms for which a client is recognised. */
  constructor (rememberMs: number, clock: Clock) {
    this.#rememberMs = rememberMs
    this.#clock = clock
  }

  /** Remembers a client. `token`: its token, or another text that stands for it. */
  add (token: string, path: string): void {
    const key = keyOf(token, path)
    this.#until.delete(key)
    this.#until.set(key, this.#clock.steady() + this.#rememberMs)
  }

  /** Whether a client was sent away for good a short time ago. */
  has (token: string, path: string): boolean {
    if (this.#until.size === 0) return false
    const key = keyOf(token, path)
    const until = this.#until.get(key)
    if (until === undefined) return false
    if (until > this.#clock.steady()) return true
    this.#until.delete(key)
    return false
  }
}

/** A digest, so that no token stays in memory. */
function keyOf (token: string, path: string): string {
  return createHash('sha256').update(`${path} ${token}`).digest('base64')
}
