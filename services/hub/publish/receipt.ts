import type { NodeAnswers, Appended } from '../../engine/engine.ts'
import type { Receipt } from '../../model/message.ts'

/** What became of a message, from what every node says of it. */
export function toReceipt ({ offset, duplicate, stored }: Appended, answers: ReadonlyArray<NodeAnswers['delivery']>): Receipt {
  let [matched, written, dropped] = [0, 0, 0]
  for (const answer of answers) {
    matched += answer.matched
    written += answer.written
    dropped += answer.dropped
  }
  return { offset, duplicate, stored, matched, written, behind: matched - written - dropped, dropped }
}
