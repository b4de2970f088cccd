import type { Engine } from '../../engine/engine.ts'
import type { Offset } from '../../model/message.ts'
import type { Client } from '../clients/client.ts'
import type { DurableCursors } from './durable-cursors.ts'
import type { Sessions } from './sessions.ts'

/**
 * Acknowledgements of clients, recorded in three places: the client's cursor, the durable cursor through which the
 * client reads, and the session.
 */
export class Acknowledgements {
  readonly #engine: Engine
  readonly #durableCursors: DurableCursors
  readonly #sessions: Sessions

  constructor (engine: Engine, durableCursors: DurableCursors, sessions: Sessions) {
    this.#engine = engine
    this.#durableCursors = durableCursors
    this.#sessions = sessions
  }

  /**
   * Acknowledges every message up to an offset. A greater offset than the last message given to the client is lowered
   * to that message, and an offset from the first inbox message that the outbox dropped is lowered below the dropped
   * message.
   */
  acknowledge (client: Client, offset: Offset): void {
    const { cursor, durableCursor, outbox } = client
    if (!cursor.acknowledge(Math.min(offset, outbox.firstLostOffset - 1), this.#engine.head)) return
    this.#durableCursors.acknowledge(durableCursor, cursor.acknowledged)
    this.#sessions.savePosition(client)
  }
}
