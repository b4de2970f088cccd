import type { Clock } from '../../lib/clock.ts'
import { reportFailure, type Log } from '../../lib/log.ts'
import { CLOSE } from '../../model/close-codes.ts'
import type { Client } from '../clients/client.ts'
import type { DurableCursors } from './durable-cursors.ts'

/** A connection that ends later than this after a message, in ms, has read the message. */
const READ_MS = 1000

/**
 * Messages that end the connections of a client. A client library ends the connection at a message above its own read
 * limit, connects again, and receives the same message: without a limit the inbox would be blocked for ever. A message
 * that has ended the connection `maxRedeliveries` times in a row is skipped, for this durable cursor alone.
 */
export class Redeliveries {
  readonly #cursors: DurableCursors
  readonly #max: number
  readonly #clock: Clock
  readonly #log: Log

  /** @param max Deliveries in a row at which a message is skipped; 0 for no limit. */
  constructor (cursors: DurableCursors, max: number, clock: Clock, log: Log) {
    this.#cursors = cursors
    this.#max = max
    this.#clock = clock
    this.#log = log
  }

  /**
   * Whether a message that has ended connections is delivered alone: after two, to learn which message of a page it is.
   */
  isSuspect (count: number): boolean {
    return this.#max > 0 && count >= Math.min(2, this.#max - 1)
  }

  /**
   * Counts the delivery of the first unacknowledged message, when the client has closed with 1009 (message too big), or
   * the connection has ended within a second after the messages were written. A connection that the hub has closed does
   * not count.
   *
   * @param code Close code that the transport observed.
   */
  connectionEnded (client: Client, code: number): void {
    const { closeReason, cursor: { redelivered }, durableCursor, id: clientId, identity: { user } } = client
    if (this.#max === 0 || closeReason !== null || redelivered === null) return
    if (code !== CLOSE.tooLarge.code && this.#clock.steady() - redelivered.at > READ_MS) return
    const { offset } = redelivered
    const fields = { clientId, user, device: durableCursor.name, offset }
    this.#cursors.countRedelivery(durableCursor, offset, this.#max).then((isSkipped) => {
      if (isSkipped) this.#log.warn(fields, 'a message is skipped for a client, because it has ended every connection')
    }).catch((error: unknown) => {
      reportFailure(this.#log, error, fields, 'the redelivery of a message could not be counted')
    })
  }
}
