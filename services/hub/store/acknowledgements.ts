import type { Engine } from '../../engine/engine.ts'
import type { Offset } from '../../model/message.ts'
import type { Client } from '../clients/client.ts'
import type { InboxCursors } from './inbox-cursors.ts'
import type { Sessions } from './sessions.ts'

/**
 * Acknowledgements of clients, recorded in three places: the client's cursor, the durable cursor of the inbox, and the
 * session.
 */
export class Acknowledgements {
  readonly #engine: Engine
  readonly #inboxCursors: InboxCursors
  readonly #sessions: Sessions

  constructor (engine: Engine, inboxCursors: InboxCursors, sessions: Sessions) {
    this.#engine = engine
    this.#inboxCursors = inboxCursors
    this.#sessions = sessions
  }

  /**
   * Acknowledges every message up to an offset. A greater offset than the last message given to the client is lowered
   * to that message, and an offset from the first inbox message that the outbox dropped is lowered below the dropped
   * message.
   */
  acknowledge (client: Client, offset: Offset): void {
    const { cursor, device, identity: { user }, outbox } = client
    if (!cursor.acknowledge(Math.min(offset, outbox.firstLostOffset - 1), this.#engine.head)) return
    this.#inboxCursors.acknowledge(user, device, cursor.acknowledged)
    void this.#sessions.save(client)
  }
}
