import { BoundedMap } from '../../lib/bounded-map.ts'
import { payloadBytes, type ClientId, type Message, type Offset } from '../../model/message.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import type { Client } from '../clients/client.ts'
import type { Registry } from '../clients/registry.ts'
import { Delivery, type Batch, type Frame } from '../outbox/batch.ts'
import type { Flusher } from '../outbox/flusher.ts'
import type { OutboxLimits } from '../outbox/outbox.ts'
import type { FrameCache } from './frame-cache.ts'

/**
 * Messages whose counts are kept, at most: messages whose publish has not been answered yet, and messages with an
 * idempotency key, for a publish with the same key at the same time.
 */
const MAX_DELIVERIES = 100_000

/** A message that has not been given to the clients yet, and its counts. */
interface PendingMessage {
  readonly message: Message
  readonly delivery: Delivery
}

/**
 * Delivers every new message to the clients of this node: one frame per protocol, queued for each client, counted.
 */
export class FanOut {
  readonly #registry: Registry
  readonly #flusher: Flusher
  readonly #frames: FrameCache
  readonly #limits: OutboxLimits
  readonly #deliveries = new BoundedMap<Offset, Delivery>(MAX_DELIVERIES)
  /** Messages to everyone that are not queued for the clients yet. */
  #pending: PendingMessage[] = []
  #pendingBytes = 0

  constructor (registry: Registry, flusher: Flusher, frames: FrameCache, limits: OutboxLimits) {
    this.#registry = registry
    this.#flusher = flusher
    this.#frames = frames
    this.#limits = limits
  }

  /** Delivers a message: to everyone at the next flush, to any other address at once. Offsets must rise. */
  deliver (message: Message): void {
    const { address, offset } = message
    if ('group' in address) this.#registry.noteMessage(address.group, offset)
    if (!this.#registry.has(address)) return
    const delivery = new Delivery(message.key !== undefined)
    this.#deliveries.set(offset, delivery)
    if ('all' in address) return this.#defer({ message, delivery })
    // Earlier messages to everyone are queued first.
    this.#flusher.deliverPending()
    this.#offer([{ message, delivery }], this.#registry.match(address), false)
  }

  /**
   * Interrupts the delivery at a hole: this node never receives the next messages above an offset. All clients read the
   * log again from there, and so receive the gap.
   */
  interrupt (after: Offset): void {
    this.#flusher.deliverPending()
    for (const client of this.#registry.all()) client.fallBehind(after)
  }

  /**
   * Returns the counts of a message on this node, once the bytes have been offered to all clients. The counts are zero
   * for a message without clients here.
   */
  async delivery (offset: Offset): Promise<Readonly<Delivery>> {
    await this.#flusher.settled()
    const delivery = this.#deliveries.get(offset) ?? new Delivery()
    // The publisher reads the counts once. Only a publish with the same idempotency key reads the counts again.
    if (!delivery.hasKey) this.#deliveries.delete(offset)
    return delivery
  }

  #defer (pending: PendingMessage): void {
    this.#pending.push(pending)
    this.#pendingBytes += payloadBytes(pending.message.payload)
    this.#flusher.defer(this.#deliverPending)
    // From half of an outbox's limit on, the messages are offered to the sockets at once, because the sockets may take
    // them.
    const { maxBytes, maxWrites } = this.#limits
    if (this.#pendingBytes > maxBytes / 2 || this.#pending.length > maxWrites / 2) this.#flusher.deliverPending(true)
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
    const fanOut = new ProtocolFanOut(protocol, pending, this.#frames, this.#flusher)
    fanOuts.set(protocol, fanOut)
    return fanOut
  }
}

/** A message as the clients of one protocol receive it. */
interface FramedMessage extends PendingMessage {
  readonly frame: Frame
  /** Clients that do not receive the message; null without exceptions. */
  readonly except: ReadonlySet<ClientId> | null
}

/**
 * Fan-out of pending messages to the clients of one protocol. A live client with an empty outbox takes all messages as
 * one batch; every other client takes the messages one by one.
 */
class ProtocolFanOut {
  readonly protocol: Protocol
  readonly #messages: readonly FramedMessage[]
  /** Offset of the last message that clients of this protocol have to acknowledge; null without such a message. */
  readonly #ackOffset: Offset | null
  /** All messages as one batch; null when a message has exceptions. */
  readonly #batch: Batch | null
  /** Clients that accepted the batch. */
  #accepted = 0

  constructor (protocol: Protocol, pending: readonly PendingMessage[], frames: FrameCache, flusher: Flusher) {
    this.protocol = protocol
    this.#messages = pending.map(({ message, delivery }) => ({
      frame: frames.liveFrame(protocol, message, delivery),
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
