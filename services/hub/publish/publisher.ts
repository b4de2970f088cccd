import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { Appended, Engine, NodeAnswers } from '../../engine/engine.ts'
import { Receipt, type Draft } from '../../model/message.ts'
import { recordExpiry } from './message-status.ts'
import { receiptKey } from '../store/keys.ts'

const receipts = TypeCompiler.Compile(Receipt)

/** Hands messages to the engine and answers what became of them. */
export class Publisher {
  readonly #engine: Engine
  readonly #rememberMs: number
  readonly #now: () => number

  /** `rememberMs`: how long the receipt of a message with an idempotency key is given again. `now`: ms since the epoch. */
  constructor (engine: Engine, rememberMs: number, now: () => number) {
    this.#engine = engine
    this.#rememberMs = rememberMs
    this.#now = now
  }

  async publish (draft: Draft): Promise<Receipt> {
    const saidAt = this.#now()
    const appended = await this.#engine.append(draft)
    if (appended.duplicate) {
      const known = await this.#engine.state.get(receiptKey(appended.offset))
      if (receipts.Check(known)) return { ...known, duplicate: true }
    }
    if (appended.stored && !appended.duplicate) recordExpiry(this.#engine, appended.offset, draft, saidAt)
    const { answers } = await this.#engine.ask('delivery', { offset: appended.offset })
    const receipt = toReceipt(appended, answers)
    if (draft.key !== undefined && !appended.duplicate) this.#remember(receipt)
    return receipt
  }

  /** Nobody waits for it: without it, a repetition after a restart counts nobody, and is a repetition all the same. */
  #remember (receipt: Receipt): void {
    this.#engine.state.update(receiptKey(receipt.offset), () => receipt, this.#rememberMs).catch(() => {})
  }
}

/** What became of a message, from what every node says of it. */
function toReceipt ({ offset, duplicate, stored }: Appended, answers: ReadonlyArray<NodeAnswers['delivery']>): Receipt {
  let [matched, written, dropped] = [0, 0, 0]
  for (const answer of answers) {
    matched += answer.matched
    written += answer.written
    dropped += answer.dropped
  }
  return { offset, duplicate, stored, matched, written, behind: matched - written - dropped, dropped }
}
