import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Appended, Engine, NodeAnswers } from '../../engine/engine.ts'
import type { Clock } from '../../lib/clock.ts'
import { Receipt, type Draft } from '../../model/message.ts'
import { receiptKey } from '../store/keys.ts'
import { recordExpiry } from './message-status.ts'

const receiptCheck = TypeCompiler.Compile(Receipt)
const isReceipt = (value: unknown): value is Receipt => receiptCheck.Check(value)

/** Publishes messages: appends each message to the log and collects the receipt from all nodes. */
export class Publisher {
  readonly #engine: Engine
  readonly #windowMs: number
  readonly #clock: Clock

  /** @param windowMs Time in ms for which the receipt of a message with an idempotency key is kept. */
  constructor (engine: Engine, windowMs: number, clock: Clock) {
    this.#engine = engine
    this.#windowMs = windowMs
    this.#clock = clock
  }

  /**
   * Publishes a message. Resolves with the receipt when every node has offered the message to its live clients; for a
   * repeated idempotency key with the first receipt.
   *
   * @throws {HubError} HUB_KEY_REUSED when the key was used for another message.
   */
  async publish (draft: Draft): Promise<Receipt> {
    const publishedAt = this.#clock.wall()
    const appended = await this.#engine.append(draft)
    if (appended.duplicate) {
      const first = await this.#engine.state.get(receiptKey(appended.offset))
      if (isReceipt(first)) return { ...first, duplicate: true }
    }
    if (appended.stored && !appended.duplicate) recordExpiry(this.#engine, appended.offset, draft, publishedAt)
    const { answers } = await this.#engine.ask('delivery', { offset: appended.offset })
    const receipt = toReceipt(appended, answers)
    if (draft.key !== undefined && !appended.duplicate) this.#keep(receipt)
    return receipt
  }

  /**
   * Keeps a receipt for repetitions. The write is not awaited, and a failure is ignored: without the kept receipt, a
   * repetition after a restart has counts of zero, and `duplicate` is true all the same.
   */
  #keep (receipt: Receipt): void {
    this.#engine.state.update(receiptKey(receipt.offset), () => receipt, this.#windowMs).catch(() => {})
  }
}

/** Merges the delivery counts of all nodes into one receipt. */
function toReceipt ({ offset, duplicate, stored }: Appended, answers: ReadonlyArray<NodeAnswers['delivery']>): Receipt {
  let [matched, written, dropped] = [0, 0, 0]
  for (const answer of answers) {
    matched += answer.matched
    written += answer.written
    dropped += answer.dropped
  }
  return { offset, duplicate, stored, matched, written, behind: matched - written - dropped, dropped }
}
