import { payloadBytes, type Message, type Offset } from '../../model/message.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { Delivery } from '../outbox/batch.ts'
import type { Client } from '../clients/client.ts'
import type { Flusher } from '../outbox/flusher.ts'
import { ProtocolFanOut, type PendingMessage } from './protocol-fan-out.ts'
import type { OutboxLimits } from '../outbox/outbox.ts'
import type { Registry } from '../clients/registry.ts'

/**
 * Messages whose counts are kept, at most: messages whose publish has not been answered yet, and messages with an
 * idempotency key, for a publish with the same key at the same time.
 */
const MAX_DELIVERIES = 100_000

/**
 * Delivers every new message to the clients of this node: encodes once per protocol, queues for each client, counts.
 */
export class FanOut {
  readonly flusher: Flusher
  readonly #registry: Registry
  readonly #limits: OutboxLimits
  readonly #deliveries = new BoundedMap<Offset, Delivery>(MAX_DELIVERIES)
  /** Messages to everyone that are not queued for the clients yet. */
  #pending: PendingMessage[] = []
  #pendingBytes = 0

  constructor (registry: Registry, flusher: Flusher, limits: OutboxLimits) {
    this.#registry = registry
    this.flusher = flusher
    this.#limits = limits
  }

  /** Delivers a message: to everyone at the next flush, to any other address at once. Offsets must rise. */
  deliver (message: Message): void {
    const delivery = new Delivery(message.key !== undefined)
    this.#deliveries.set(message.offset, delivery)
    if ('all' in message.address) return this.#defer({ message, delivery })
    // Earlier messages to everyone are queued first.
    this.flusher.runDeferred()
    this.#offer([{ message, delivery }], this.#registry.match(message.address), false)
  }

  /**
   * Returns the counts of a message on this node, once the bytes have been offered to all clients. The counts are zero
   * for a message without clients here.
   */
  async delivery (offset: Offset): Promise<Readonly<Delivery>> {
    await this.flusher.settled()
    const delivery = this.#deliveries.get(offset) ?? new Delivery()
    // The publisher reads the counts once. Only a publish with the same idempotency key reads the counts again.
    if (!delivery.hasKey) this.#deliveries.delete(offset)
    return delivery
  }

  #defer (pending: PendingMessage): void {
    this.#pending.push(pending)
    this.#pendingBytes += payloadBytes(pending.message.payload)
    this.flusher.defer(this.#deliverPending)
    // From half of an outbox's limit on, the messages are offered to the sockets at once, because the sockets may take
    // them.
    const { maxBytes, maxWrites } = this.#limits
    if (this.#pendingBytes > maxBytes / 2 || this.#pending.length > maxWrites / 2) this.flusher.runDeferred(true)
  }

  /**
   * Queues all pending messages client by client rather than message by message, so that the state of a client is in
   * the processor's cache for all messages.
   */
  readonly #deliverPending = (isFlush: boolean): void => {
    const pending = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    this.#offer(pending, this.#registry.all(), isFlush)
  }

  #offer (pending: readonly PendingMessage[], clients: Iterable<Client>, isFlush: boolean): void {
    const fanOuts = new Map<Protocol, ProtocolFanOut>()
    let fanOut: ProtocolFanOut | undefined
    for (const client of clients) {
      if (!client.isOpen) continue
      if (fanOut?.protocol !== client.protocol) fanOut = this.#fanOutOf(client.protocol, pending, fanOuts)
      fanOut.offer(client)
      if (isFlush) client.outbox.flush()
    }
    for (const one of fanOuts.values()) one.count()
  }

  #fanOutOf (
    protocol: Protocol, pending: readonly PendingMessage[], fanOuts: Map<Protocol, ProtocolFanOut>
  ): ProtocolFanOut {
    const known = fanOuts.get(protocol)
    if (known !== undefined) return known
    const fanOut = new ProtocolFanOut(protocol, pending, this.flusher)
    fanOuts.set(protocol, fanOut)
    return fanOut
  }
}
