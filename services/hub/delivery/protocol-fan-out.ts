import type { ClientId, Message, Offset } from '../../model/message.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import { ackOffsetOf } from './acknowledged.ts'
import { Frame, type Batch, type Delivery } from '../outbox/batch.ts'
import type { Client } from '../clients/client.ts'
import type { Flusher } from '../outbox/flusher.ts'

/** A message that is to be given to clients, and its counts. */
export interface PendingMessage {
  readonly message: Message
  readonly delivery: Delivery
}

/** Messages for the clients of one protocol: encoded once, and as one batch for those who can take them whole. */
export class ProtocolFanOut {
  readonly protocol: Protocol
  readonly #parts: ReadonlyArray<{ frame: Frame, message: Message, delivery: Delivery, except: ReadonlySet<ClientId> | null }>
  /** Of the last message that these clients have to acknowledge. */
  readonly #toAcknowledge: Offset | null
  /** Null when somebody is left out of a part. */
  readonly #batch: Batch | null
  /** Clients that accepted the batch. */
  #accepted = 0

  constructor (protocol: Protocol, pending: readonly PendingMessage[], flusher: Flusher) {
    this.protocol = protocol
    this.#parts = pending.map(({ message, delivery }) => ({
      frame: new Frame(protocol.encode(message), delivery, message.conflate, ackOffsetOf(message, protocol)),
      message,
      delivery,
      except: message.except === undefined ? null : new Set(message.except)
    }))
    this.#toAcknowledge = this.#parts.findLast(({ frame }) => frame.ackOffset !== null)?.frame.ackOffset ?? null
    const isForAll = this.#parts.every(({ except }) => except === null)
    this.#batch = isForAll ? this.#parts.reduce<Batch | null>((batch, { frame }) => batch?.add(frame) ?? flusher.begin(frame), null) : null
  }

  offer (client: Client): void {
    if (client.isLive && this.#batch !== null && client.outbox.accept(this.#batch)) {
      this.#accepted++
      if (this.#toAcknowledge !== null) client.probe(this.#toAcknowledge)
      return
    }
    for (const { frame, message, delivery, except } of this.#parts) {
      if (except?.has(client.id) === true) continue
      delivery.matched++
      client.deliver(frame, message)
    }
  }

  /** Adds those who accepted the batch to the counts of its messages. */
  count (): void {
    for (const { delivery } of this.#parts) delivery.matched += this.#accepted
  }
}
