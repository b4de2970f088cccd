import type { Message, Offset } from '../message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { trimOldest } from '../trim-oldest.ts'
import { Delivery } from './batch.ts'
import type { Client } from './client.ts'
import type { Flusher } from './flusher.ts'
import { Lane, type Said } from './lane.ts'
import type { Registry } from './registry.ts'

/** Counts that are remembered at most: as many as the engine remembers keys by default. */
const REMEMBERED = 100_000

/** Gives every message to this node's clients: encoded once per protocol, pushed to each, counted. */
export class FanOut {
  readonly flusher: Flusher
  readonly #registry: Registry
  readonly #deliveries = new Map<Offset, Delivery>()
  /** What was said to everyone and handed out to nobody yet. */
  #said: Said[] = []

  constructor (registry: Registry, flusher: Flusher) {
    this.#registry = registry
    this.flusher = flusher
  }

  deliver (message: Message): void {
    const delivery = new Delivery(message.key !== undefined)
    this.#deliveries.set(message.offset, delivery)
    trimOldest(this.#deliveries, REMEMBERED)
    if ('all' in message.address) {
      this.#said.push({ message, delivery })
      this.flusher.defer(this.#handOut)
      return
    }
    // What was said to everyone before comes before it.
    this.flusher.catchUp()
    this.#giveAll([{ message, delivery }], this.#registry.match(message.address), false)
  }

  /** How a message fared here, once all clients have been offered its bytes. Zeros for one that was not for this node. */
  async delivery (offset: Offset): Promise<Readonly<Delivery>> {
    await this.flusher.settled()
    const delivery = this.#deliveries.get(offset) ?? new Delivery()
    // Whoever sent it asks once; only a key can bring the question back.
    if (!delivery.isKept) this.#deliveries.delete(offset)
    return delivery
  }

  /**
   * Gives everyone all that was said to everyone, one client after another rather than one message after another: what
   * belongs to a client is looked at once, while the processor has it at hand.
   */
  readonly #handOut = (isFlush: boolean): void => {
    const said = this.#said
    this.#said = []
    this.#giveAll(said, this.#registry.all(), isFlush)
  }

  #giveAll (said: readonly Said[], clients: Iterable<Client>, isFlush: boolean): void {
    const lanes = new Map<Protocol, Lane>()
    let lane: Lane | undefined
    for (const client of clients) {
      if (!client.isOpen) continue
      if (lane?.protocol !== client.protocol) lane = this.#lane(client.protocol, said, lanes)
      lane.give(client)
      if (isFlush) client.outbox.flush()
    }
    for (const one of lanes.values()) one.count()
  }

  #lane (protocol: Protocol, said: readonly Said[], lanes: Map<Protocol, Lane>): Lane {
    const known = lanes.get(protocol)
    if (known !== undefined) return known
    const lane = new Lane(protocol, said, this.flusher)
    lanes.set(protocol, lane)
    return lane
  }
}
