import type { Message } from '../message.ts'
import type { Protocol } from '../protocol/protocol.ts'

/** Whether clients of this protocol have to say that they have a message: one of the inbox, or whatever the log keeps. */
export function isAcknowledged ({ address, keep }: Message, { acknowledgesAll = false }: Protocol): boolean {
  return keep !== false && (acknowledgesAll || 'user' in address)
}
