import { payloadBytes, type Message, type Offset } from '../../model/message.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { Delivery } from '../outbox/batch.ts'
import type { Client } from '../clients/client.ts'
import { Flusher, type FlusherOptions } from '../outbox/flusher.ts'
import { ProtocolFanOut, type PendingMessage } from './protocol-fan-out.ts'
import type { OutboxLimits } from '../outbox/outbox.ts'
import type { Registry } from '../clients/registry.ts'

/** Counts that are remembered at most: of messages that are being answered, and of those with a key, for repetitions in that moment. */
const REMEMBERED = 100_000

/** Gives every message to this node's clients: encoded once per protocol, pushed to each, counted. */
export class FanOut {
  readonly flusher: Flusher
  readonly #registry: Registry
  readonly #limits: OutboxLimits
  readonly #deliveries = new BoundedMap<Offset, Delivery>(REMEMBERED)
  /** What was said to everyone and has been given to nobody yet. */
  #pending: PendingMessage[] = []
  #pendingBytes = 0

  constructor (registry: Registry, { limits, ...options }: FlusherOptions & { readonly limits: OutboxLimits }) {
    this.#registry = registry
    this.flusher = new Flusher(options)
    this.#limits = limits
  }

  deliver (message: Message): void {
    const delivery = new Delivery(message.key !== undefined)
    this.#deliveries.set(message.offset, delivery)
    if ('all' in message.address) return this.#defer({ message, delivery })
    // What was said to everyone before comes before it.
    this.flusher.runDeferred()
    this.#offer([{ message, delivery }], this.#registry.match(message.address), false)
  }

  /** How a message fared here, once all clients have been offered its bytes. Zeros for one that was not for this node. */
  async delivery (offset: Offset): Promise<Readonly<Delivery>> {
    await this.flusher.settled()
    const delivery = this.#deliveries.get(offset) ?? new Delivery()
    // Whoever sent it asks once; only a key can bring the question back.
    if (!delivery.isKept) this.#deliveries.delete(offset)
    return delivery
  }

  #defer (pending: PendingMessage): void {
    this.#pending.push(pending)
    this.#pendingBytes += payloadBytes(pending.message.payload)
    this.flusher.defer(this.#handOut)
    // More than half of what may wait for a client is offered to the sockets at once: they may well take it.
    const { maxBytes, maxWrites } = this.#limits
    if (this.#pendingBytes > maxBytes / 2 || this.#pending.length > maxWrites / 2) this.flusher.runDeferred(true)
  }

  /**
   * Gives everyone all that was said to everyone, one client after another rather than one message after another: what
   * belongs to a client is looked at once, while the processor has it at hand.
   */
  readonly #handOut = (isFlush: boolean): void => {
    const pending = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    this.#offer(pending, this.#registry.all(), isFlush)
  }

  #offer (pending: readonly PendingMessage[], clients: Iterable<Client>, isFlush: boolean): void {
    const lanes = new Map<Protocol, ProtocolFanOut>()
    let lane: ProtocolFanOut | undefined
    for (const client of clients) {
      if (!client.isOpen) continue
      if (lane?.protocol !== client.protocol) lane = this.#lane(client.protocol, pending, lanes)
      lane.offer(client)
      if (isFlush) client.outbox.flush()
    }
    for (const one of lanes.values()) one.count()
  }

  #lane (protocol: Protocol, pending: readonly PendingMessage[], lanes: Map<Protocol, ProtocolFanOut>): ProtocolFanOut {
    const known = lanes.get(protocol)
    if (known !== undefined) return known
    const lane = new ProtocolFanOut(protocol, pending, this.flusher)
    lanes.set(protocol, lane)
    return lane
  }
}
