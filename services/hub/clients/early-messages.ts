import type { Offset } from '../../model/message.ts'
import type { Frame } from '../outbox/batch.ts'

/** Messages that wait at most. */
const MAX_HELD = 16

/** Messages that are not in the log, for a client that has just come: each goes out at its place among those of the log. */
export class EarlyMessages {
  readonly #frames: Array<{ readonly frame: Frame, readonly offset: Offset }> = []

  /** Answers false when no more may wait. Offsets must rise. */
  add (frame: Frame, offset: Offset): boolean {
    if (this.#frames.length >= MAX_HELD) return false
    this.#frames.push({ frame, offset })
    return true
  }

  /** Lets go of those that were said before an offset. */
  * takeBefore (before: Offset): Generator<Frame, void> {
    for (let first = this.#frames[0]; first !== undefined && first.offset < before; first = this.#frames[0]) {
      this.#frames.shift()
      yield first.frame
    }
  }
}
