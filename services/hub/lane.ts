import type { ClientId, Message } from '../message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { Frame, type Batch, type Delivery } from './batch.ts'
import type { Client } from './client.ts'
import type { Flusher } from './flusher.ts'

/** A message that is to be given to clients, and its counts. */
export interface Pending {
  readonly message: Message
  readonly delivery: Delivery
}

/** Messages for the clients of one protocol: encoded once, and as one batch for those who can take them whole. */
export class Lane {
  readonly protocol: Protocol
  readonly #parts: ReadonlyArray<{ frame: Frame, delivery: Delivery, except: ReadonlySet<ClientId> | null }>
  /** Null when somebody is left out of a part. */
  readonly #batch: Batch | null
  /** Clients that accepted the batch. */
  #accepted = 0

  constructor (protocol: Protocol, pending: readonly Pending[], flusher: Flusher) {
    this.protocol = protocol
    this.#parts = pending.map(({ message, delivery }) => ({
      frame: new Frame(protocol.encode(message), delivery, message.conflate),
      delivery,
      except: message.except === undefined ? null : new Set(message.except)
    }))
    const isForAll = this.#parts.every(({ except }) => except === null)
    this.#batch = isForAll ? this.#parts.reduce<Batch | null>((batch, { frame }) => batch?.add(frame) ?? flusher.begin(frame), null) : null
  }

  offer (client: Client): void {
    if (this.#batch !== null && client.outbox.accept(this.#batch)) {
      this.#accepted++
      return
    }
    for (const { frame, delivery, except } of this.#parts) {
      if (except?.has(client.id) === true) continue
      delivery.matched++
      client.push(frame)
    }
  }

  /** Adds those who accepted the batch to the counts of its messages. */
  count (): void {
    for (const { delivery } of this.#parts) delivery.matched += this.#accepted
  }
}
