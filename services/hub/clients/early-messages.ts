import type { Offset } from '../../model/message.ts'
import type { Frame } from '../outbox/batch.ts'

/** Early messages kept for one client, at most. */
const MAX_EARLY_MESSAGES = 16

/**
 * Messages received before the client is live and not kept in the log (`keep: false`). While the client catches up,
 * each early message is queued at the position of its offset among the messages of the log.
 */
export class EarlyMessages {
  readonly #frames: Array<{ readonly frame: Frame, readonly offset: Offset }> = []

  /** Adds a message. Returns false when 16 messages are kept already. Offsets must rise. */
  add (frame: Frame, offset: Offset): boolean {
    if (this.#frames.length >= MAX_EARLY_MESSAGES) return false
    this.#frames.push({ frame, offset })
    return true
  }

  /** Removes and yields the messages with offsets below `before`. */
  * takeBefore (before: Offset): Generator<Frame, void> {
    for (let first = this.#frames[0]; first !== undefined && first.offset < before; first = this.#frames[0]) {
      this.#frames.shift()
      yield first.frame
    }
  }
}
