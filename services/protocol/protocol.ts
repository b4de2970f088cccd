import type { ClientId, Group, Message, Offset, Payload, UserId } from '../model/message.ts'

/** What a client called, and how it wants to be answered. */
export interface Call {
  readonly name: string
  readonly data: unknown
  /** Comes back with the answer; undefined when the client wants none. */
  readonly id: string | number | undefined
}

/** What a client asked for, decoded once at the edge. */
export type Command =
  /** Something for the application. Text arrives as a string, binary as bytes. */
  | { readonly kind: 'message', readonly data: string | Buffer }
  /** Call of a named action whose answer only says whether it worked (`event`), or carries what it gave (`action`). */
  | Call & { readonly kind: 'action' | 'event' }
  | { readonly kind: 'join' | 'leave', readonly group: Group, readonly id: number | undefined }
  | { readonly kind: 'send', readonly group: Group, readonly payload: Payload, readonly isEchoed: boolean, readonly id: number | undefined }
  /** The client has everything up to this offset. */
  | { readonly kind: 'acknowledge', readonly offset: Offset }
  | { readonly kind: 'ping' }
  /** Nothing that the hub need answer. */
  | { readonly kind: 'ignored' }
  /** Nothing that a client of this protocol may say. */
  | { readonly kind: 'invalid', readonly reason: string }

/** A command that is answered. */
export type CommandWithReply = Extract<Command, { readonly id: unknown }>

/** What a command is answered with. `data` is what an action gave. */
export type CommandResult =
  | { readonly ok: true, readonly data?: unknown }
  | { readonly ok: false, readonly error: { readonly code: string, readonly message: string } }

/** The names that a client may call: a Map or a Set of them will do. */
export interface ActionNames {
  readonly size: number
  has (name: string): boolean
}

/** What a greeting may tell a client about its connection. */
export interface GreetingInfo {
  readonly clientId: ClientId
  readonly user: UserId
  /** What the client shows to resume this connection after a loss; null when it cannot be resumed. */
  readonly resumeToken: string | null
}

/** How a client says that it has what it was sent. */
export type AcknowledgedBy =
  /** By the pong that its WebSocket answers a ping with, which carries an offset: clients need no code for it. */
  | 'pong'
  /** By a command of its own. */
  | 'command'
  /** By the position that it names when it connects again. */
  | 'position'

/** Messages that are gone from the log. */
export interface Gap {
  /** What the client has. */
  readonly after: Offset
  /** The last one that is gone; between the two, others may be left. */
  readonly upTo: Offset
  /** Where the client is once it knows: before all that is left. */
  readonly position: Offset
}

/**
 * PORT: how a message looks on a connection. A protocol is stateless and shared by all connections that speak it.
 *
 * Promises of an implementation:
 * - `decode` never throws, whatever a client sends.
 * - `encode` never throws and depends on nothing but the message, so that its bytes can be shared by all clients.
 * - Every returned Buffer is complete: writing it to the connection is all that is left to do.
 */
export interface Protocol {
  readonly name: string
  readonly acknowledgedBy: AcknowledgedBy
  /** Whether what is said to everyone and to groups is acknowledged like the inbox: for clients whose place in all of it is kept (see Mailboxes). */
  readonly acknowledgesAll?: boolean
  /** Whether a lost connection may be resumed under its id. */
  readonly isResumable: boolean
  /** Time between two pings, in ms, where its clients expect one of their own; that of the hub otherwise. */
  readonly pingPeriodMs?: number
  /** Bytes that make a healthy peer answer, so that a lost one is noticed. */
  readonly ping: Buffer
  /** Bytes written before anything else on a new connection; empty when the protocol greets by other means. */
  encodeGreeting (welcome: GreetingInfo): Buffer
  decode (data: Buffer, isBinary: boolean, actions: ActionNames): Command
  encode (message: Pick<Message, 'payload' | 'address' | 'from' | 'offset'>): Buffer
  /** Something said to this connection alone, outside the log. */
  encodeReply (payload: Payload): Buffer
  /** The answer to a command; null when there is nothing to say. */
  encodeResult (command: CommandWithReply, result: CommandResult): Buffer | null
  /** The answer to a `ping` command; null in a protocol without one. */
  readonly pong: Buffer | null
  /** Asks a client to acknowledge up to an offset, and what the payload of its pong will be; for `acknowledgedBy: 'pong'`. */
  encodeProbe (offset: Offset): { readonly bytes: Buffer, readonly pong: string }
  /** Tells the client that messages are gone from the log. Null when the protocol has no word for it. */
  encodeGap (gap: Gap): Buffer | null
  /** A last word before the connection is closed; null in a protocol without one. */
  encodeCloseNotice (reason: string): Buffer | null
}
