import type { Message, Offset } from '../../model/message.ts'
import type { Protocol } from '../../protocol/protocol.ts'

/** What a client of this protocol has to acknowledge of a message: its offset, when it is of the inbox, or of whatever the log keeps; null otherwise. */
export function ackOffsetOf ({ address, keep, offset }: Message, { acknowledgesAll = false }: Protocol): Offset | null {
  return keep !== false && (acknowledgesAll || 'user' in address) ? offset : null
}
