import type { Message, Offset } from '../message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { trimOldest } from '../trim-oldest.ts'
import { Delivery, Frame } from './batch.ts'
import type { Flusher } from './flusher.ts'
import type { Registry } from './registry.ts'

/** Counts that are remembered at most: as many as the engine remembers keys by default. */
const REMEMBERED = 100_000

/** Gives every message to this node's clients: encoded once per protocol, pushed to each, counted. */
export class FanOut {
  readonly flusher: Flusher
  readonly #registry: Registry
  readonly #deliveries = new Map<Offset, Delivery>()

  constructor (registry: Registry, flusher: Flusher) {
    this.#registry = registry
    this.flusher = flusher
  }

  deliver (message: Message): void {
    const delivery = new Delivery(message.key !== undefined)
    this.#deliveries.set(message.offset, delivery)
    trimOldest(this.#deliveries, REMEMBERED)
    const except = message.except === undefined ? null : new Set(message.except)
    const frames = new Map<Protocol, Frame>()
    let protocol: Protocol | null = null
    let frame: Frame | undefined
    for (const client of this.#registry.match(message.address)) {
      if (!client.isOpen || except?.has(client.id) === true) continue
      if (frame === undefined || client.protocol !== protocol) {
        protocol = client.protocol
        frame = frames.get(protocol) ?? new Frame(protocol.encode(message), delivery, message.conflate)
        frames.set(protocol, frame)
      }
      delivery.matched++
      client.push(frame)
    }
  }

  /** How a message fared here, once all clients have been offered its bytes. Zeros for one that was not for this node. */
  async delivery (offset: Offset): Promise<Readonly<Delivery>> {
    await this.flusher.settled()
    const delivery = this.#deliveries.get(offset) ?? new Delivery()
    // Whoever sent it asks once; only a key can bring the question back.
    if (!delivery.isKept) this.#deliveries.delete(offset)
    return delivery
  }
}
