import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Engine } from '../../engine/engine.ts'
import type { Clock } from '../../lib/clock.ts'
import { HubError } from '../../model/errors.ts'
import { addressKey, assertAddress, payloadBytes, Receipt, SendOptions } from '../../model/message.ts'
import type { Address, Draft, Offset, Payload, UserId } from '../../model/message.ts'
import { receiptKey } from '../store/keys.ts'
import type { MessageStatuses } from './message-status.ts'

const receiptCheck = TypeCompiler.Compile(Receipt)
const isReceipt = (value: unknown): value is Receipt => receiptCheck.Check(value)
const sendOptionsCheck = TypeCompiler.Compile(SendOptions)

/** The live clients of a message on all nodes. */
export type DeliveryCounts = Pick<Receipt, 'matched' | 'written' | 'dropped'>

/** Counts the live clients of a message on all nodes. */
export interface DeliveryCounter {
  /** Resolves when the message has been offered to each of these clients. */
  delivery (offset: Offset): Promise<DeliveryCounts>
}

/** Limits of publishing. */
export interface PublishLimits {
  /** Largest payload in bytes. */
  readonly maxMessageBytes: number
  /** Time in ms for which the receipt of a message with an idempotency key is kept. */
  readonly idempotencyWindowMs: number
}

/** Publishes messages: appends each message to the log and collects the receipt from all nodes. */
export class Publisher {
  readonly #engine: Engine
  readonly #statuses: MessageStatuses
  readonly #cluster: DeliveryCounter
  readonly #limits: PublishLimits
  readonly #clock: Clock

  constructor (
    engine: Engine, statuses: MessageStatuses, cluster: DeliveryCounter, limits: PublishLimits, clock: Clock
  ) {
    this.#engine = engine
    this.#statuses = statuses
    this.#cluster = cluster
    this.#limits = limits
    this.#clock = clock
  }

  /**
   * Publishes a message. Resolves with the receipt when every node has offered the message to its live clients; for a
   * repeated idempotency key with the first receipt.
   *
   * @param from User who published the message, when a client did; undefined for a message of the application.
   * @throws {HubError} HUB_ADDRESS_INVALID when the address has a wrong form.
   * @throws {HubError} HUB_REQUEST_INVALID when an option is unknown or has a wrong value.
   * @throws {HubError} HUB_MESSAGE_TOO_LARGE when the payload is larger than `maxMessageBytes`.
   * @throws {HubError} HUB_KEY_REUSED when the key was used for another message.
   */
  async publish (address: Address, payload: Payload, options: SendOptions, from?: UserId): Promise<Receipt> {
    const draft = toDraft(address, payload, options, this.#limits.maxMessageBytes, from)
    const publishedAt = this.#clock.wall()
    const { offset, duplicate, stored } = await this.#engine.append(draft)
    if (duplicate) {
      const first = await this.#engine.state.get(receiptKey(offset))
      if (isReceipt(first)) return { ...first, duplicate: true }
    }
    const { key, ttl } = draft
    if (ttl !== undefined && stored && !duplicate) this.#statuses.recordExpiry(offset, draft, ttl, publishedAt)
    const { matched, written, dropped } = await this.#cluster.delivery(offset)
    const receipt = { offset, duplicate, stored, matched, written, behind: matched - written - dropped, dropped }
    if (key !== undefined && !duplicate) this.#keep(receipt)
    return receipt
  }

  /**
   * Keeps a receipt for repetitions. The write is not awaited, and a failure is ignored: without the kept receipt, a
   * repetition after a restart has counts of zero, and `duplicate` is true all the same.
   */
  #keep (receipt: Receipt): void {
    const { idempotencyWindowMs } = this.#limits
    this.#engine.state.update(receiptKey(receipt.offset), () => receipt, idempotencyWindowMs).catch(() => {})
  }
}

/** Makes the draft of a message: checks address, options and size, and scopes the keys. */
function toDraft (
  address: Address,
  payload: Payload,
  options: SendOptions,
  maxBytes: number,
  from?: UserId
): Draft {
  assertAddress(address)
  if (!sendOptionsCheck.Check(options)) {
    const fault = sendOptionsCheck.Errors(options).First()
    throw new HubError('HUB_REQUEST_INVALID', `options${fault?.path ?? ''}: ${fault?.message ?? 'do not fit'}`)
  }
  if (payloadBytes(payload) > maxBytes) {
    throw new HubError('HUB_MESSAGE_TOO_LARGE', `The message is larger than ${maxBytes} bytes; send less, or raise websocket.maxMessageSize.`)
  }
  const { key, conflate, except, ttl, keep } = options
  // Idempotency and conflation keys apply to one address, so that one call may publish to several addresses.
  const scoped = (word: string | undefined): string | undefined =>
    word === undefined ? undefined : JSON.stringify([addressKey(address), word])
  // A copy, because the caller may reuse the list before the message is delivered.
  const excluded = except === undefined ? undefined : [...except]
  return { address, payload, from, except: excluded, ttl, keep, key: scoped(key), conflate: scoped(conflate) }
}
