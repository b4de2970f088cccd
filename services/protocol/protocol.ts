import type { Message } from '../message.ts'

/** What a client asked for, decoded once at the edge. */
export type Command =
  /** Something for the application. Text arrives as a string, binary as bytes. */
  | { readonly kind: 'message', readonly data: string | Buffer }
  /** Call of a named action; `id` comes back with the answer. */
  | { readonly kind: 'action', readonly name: string, readonly data: unknown, readonly id: string | number | undefined }

/** What an action call is answered with. */
export type ActionResult =
  | { readonly ok: true, readonly data: unknown }
  | { readonly ok: false, readonly error: { readonly code: string, readonly message: string } }

/** The names that a client may call: a Map or a Set of them will do. */
export interface ActionNames {
  readonly size: number
  has (name: string): boolean
}

/**
 * PORT: how a message looks on a connection. A protocol is stateless and shared by all connections that speak it.
 *
 * Promises of an implementation:
 * - `decode` never throws, whatever a client sends: what it cannot read is a message for the application.
 * - `encode` never throws and depends on nothing but the message, so that its bytes can be shared by all clients.
 * - Every returned Buffer is complete: writing it to the connection is all that is left to do.
 */
export interface Protocol {
  readonly name: string
  /** Bytes written before anything else on a new connection; empty when the protocol greets by other means. */
  readonly greeting: Buffer
  /** Bytes that make a healthy peer answer, so that a lost one is noticed. */
  readonly ping: Buffer
  decode (data: Buffer, isBinary: boolean, actions: ActionNames): Command
  encode (message: Pick<Message, 'payload'>): Buffer
  /** The answer to an action call. */
  encodeResult (call: { name: string, id: unknown }, result: ActionResult): Buffer
}
