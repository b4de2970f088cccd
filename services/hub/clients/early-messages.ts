import type { Message, Offset } from '../../model/message.ts'
import type { Frame } from '../outbox/batch.ts'

/** Early messages kept for one client, at most. */
const MAX_EARLY_MESSAGES = 16

/** A message with its frame for the client. */
interface EarlyMessage {
  readonly frame: Frame
  readonly message: Message
}

/**
 * Messages received before the client is live and not kept in the log (`keep: false`). While the client catches up,
 * each early message is queued at the position of its offset among the messages of the log.
 */
export class EarlyMessages {
  readonly #messages: EarlyMessage[] = []

  /** Adds a message. Returns false when 16 messages are kept already. Offsets must rise. */
  add (frame: Frame, message: Message): boolean {
    if (this.#messages.length >= MAX_EARLY_MESSAGES) return false
    this.#messages.push({ frame, message })
    return true
  }

  /** Removes and yields the messages with offsets below `before`. */
  * takeBefore (before: Offset): Generator<EarlyMessage, void> {
    const messages = this.#messages
    for (let first = messages[0]; first !== undefined && first.message.offset < before; first = messages[0]) {
      messages.shift()
      yield first
    }
  }
}
