import type { ClientId, Message } from '../message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { Frame, type Batch, type Delivery } from './batch.ts'
import type { Client } from './client.ts'
import type { Flusher } from './flusher.ts'

/** A message to everyone, and its counts. */
export interface Said {
  readonly message: Message
  readonly delivery: Delivery
}

/** What was said to everyone, for the clients of one protocol: encoded once, and as one batch for those who can take it whole. */
export class Lane {
  readonly protocol: Protocol
  readonly #parts: ReadonlyArray<{ frame: Frame, delivery: Delivery, except: ReadonlySet<ClientId> | null }>
  /** Null when somebody is left out of a part. */
  readonly #batch: Batch | null
  /** Clients that took the batch. */
  #wholes = 0

  constructor (protocol: Protocol, said: readonly Said[], flusher: Flusher) {
    this.protocol = protocol
    this.#parts = said.map(({ message, delivery }) => ({
      frame: new Frame(protocol.encode(message), delivery, message.conflate),
      delivery,
      except: message.except === undefined ? null : new Set(message.except)
    }))
    const isForAll = this.#parts.every(({ except }) => except === null)
    this.#batch = isForAll ? this.#parts.reduce<Batch | null>((batch, { frame }) => batch?.add(frame) ?? flusher.begin(frame), null) : null
  }

  give (client: Client): void {
    if (this.#batch !== null && client.outbox.take(this.#batch)) {
      this.#wholes++
      return
    }
    for (const { frame, delivery, except } of this.#parts) {
      if (except?.has(client.id) === true) continue
      delivery.matched++
      client.push(frame)
    }
  }

  /** Adds those who took the batch to the counts of its messages. */
  count (): void {
    for (const { delivery } of this.#parts) delivery.matched += this.#wholes
  }
}
