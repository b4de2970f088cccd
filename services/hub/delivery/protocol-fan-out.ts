import type { ClientId, Message, Offset } from '../../model/message.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import type { Batch, Delivery, Frame } from '../outbox/batch.ts'
import type { Client } from '../clients/client.ts'
import { frameOf } from './frame-cache.ts'
import type { Flusher } from '../outbox/flusher.ts'

/** A message that has not been given to the clients yet, and its counts. */
export interface PendingMessage {
  readonly message: Message
  readonly delivery: Delivery
}

/** A message as the clients of one protocol receive it. */
interface EncodedMessage extends PendingMessage {
  readonly frame: Frame
  /** Clients that do not receive the message; null without exceptions. */
  readonly except: ReadonlySet<ClientId> | null
}

/**
 * Fan-out of pending messages to the clients of one protocol: each message is encoded once. A live client with an empty
 * outbox takes all messages as one batch; every other client takes the messages one by one.
 */
export class ProtocolFanOut {
  readonly protocol: Protocol
  readonly #messages: readonly EncodedMessage[]
  /** Offset of the last message that clients of this protocol have to acknowledge; null without such a message. */
  readonly #ackOffset: Offset | null
  /** All messages as one batch; null when a message has exceptions. */
  readonly #batch: Batch | null
  /** Clients that accepted the batch. */
  #accepted = 0

  constructor (protocol: Protocol, pending: readonly PendingMessage[], flusher: Flusher) {
    this.protocol = protocol
    this.#messages = pending.map(({ message, delivery }) => ({
      frame: frameOf(message, protocol, delivery, message.conflate),
      message,
      delivery,
      except: message.except === undefined ? null : new Set(message.except)
    }))
    this.#ackOffset = this.#messages.findLast(({ frame }) => frame.ackOffset !== null)?.frame.ackOffset ?? null
    this.#batch = this.#messages.every(({ except }) => except === null) ? this.#toBatch(flusher) : null
  }

  #toBatch (flusher: Flusher): Batch | null {
    let batch: Batch | null = null
    for (const { frame } of this.#messages) batch = batch === null ? flusher.startBatch(frame) : batch.add(frame)
    return batch
  }

  /** Queues the messages for a client of this protocol. */
  offer (client: Client): void {
    if (client.isLive && this.#batch !== null && client.outbox.accept(this.#batch)) {
      this.#accepted++
      if (this.#ackOffset !== null) client.probe(this.#ackOffset)
      return
    }
    for (const { frame, message, delivery, except } of this.#messages) {
      if (except?.has(client.id) === true) continue
      delivery.matched++
      client.deliver(frame, message)
    }
  }

  /** Adds the clients that accepted the batch to the counts of the messages. Called once, after all clients. */
  count (): void {
    for (const { delivery } of this.#messages) delivery.matched += this.#accepted
  }
}
