import type { HubError } from '../model/errors.ts'
import type { ClientId, Group, Message, Offset, Payload, UserId } from '../model/message.ts'

/** A call of an action or event handler by name. */
export interface Call {
  readonly name: string
  readonly data: unknown
  /** Correlates the reply with the call; undefined when the client wants no reply. */
  readonly id: string | number | undefined
  /** Size of the data in the frame, in bytes; undefined where the size of the frame is the limit. */
  readonly bytes?: number
}

/** A frame of a client, decoded. */
export type Command =
  /** A message for the application. A text frame gives a string, a binary frame bytes. */
  | { readonly kind: 'message', readonly data: string | Buffer }
  /** A call. The reply to an `event` reports success only; the reply to an `action` carries the result as well. */
  | Call & { readonly kind: 'action' | 'event' }
  /** Join or leave a group. */
  | { readonly kind: 'join' | 'leave', readonly group: Group, readonly id: number | undefined }
  /** Publish to a group. `isEchoed`: the sender receives the message too, when it is a member. */
  | {
    readonly kind: 'send'
    readonly group: Group
    readonly payload: Payload
    readonly isEchoed: boolean
    readonly id: number | undefined
  }
  /** The client acknowledges every message up to this offset. */
  | { readonly kind: 'acknowledge', readonly offset: Offset }
  /** The client expects `Protocol.pong`. */
  | { readonly kind: 'ping' }
  /** A valid frame that needs no action. */
  | { readonly kind: 'ignored' }
  /** A request that cannot be executed. The error is the reply, or the request is counted, without a target. */
  | { readonly kind: 'refused', readonly target: ReplyTarget | null, readonly error: HubError }
  /** A frame that violates the protocol: the hub closes the connection with this reason, at most 123 bytes. */
  | { readonly kind: 'invalid', readonly reason: string }

/** A command that may have an id and then gets a reply. */
export type CommandWithReply = Extract<Command, { readonly id: unknown }>

/** A refused request. */
export type RefusedRequest = Extract<Command, { readonly kind: 'refused' }>

/** The request that a reply belongs to. */
export type ReplyTarget =
  | { readonly kind: 'action', readonly name: string, readonly id: string | number | undefined }
  /** `stream`: the id is that of a stream of messages. */
  | { readonly kind: 'event' | 'join' | 'leave' | 'send' | 'stream', readonly id: string | number | undefined }

/** The result of a command: success, with the `data` that an action returned, or an error. */
export type CommandResult =
  | { readonly ok: true, readonly data?: unknown }
  | { readonly ok: false, readonly error: { readonly code: string, readonly message: string } }

/** The registered action names. A Map or a Set of names fits. */
export interface ActionNames {
  readonly size: number
  has (name: string): boolean
}

/** Facts about a connection that a greeting may contain. */
export interface GreetingInfo {
  readonly clientId: ClientId
  readonly user: UserId
  /** Secret that resumes this connection after a loss; null when the connection cannot be resumed. */
  readonly resumeToken: string | null
}

/** How the clients of a protocol acknowledge messages. */
export type AcknowledgedBy =
  /** By the pong to a ping that carries an offset. WebSocket stacks send the pong, so clients need no code. */
  | 'pong'
  /** By an `acknowledge` command. */
  | 'command'
  /** By the position that the client names on reconnecting. */
  | 'position'

/** Messages that a client has not received and that are gone from the log. */
export interface Gap {
  /** The client has every message up to this offset. */
  readonly after: Offset
  /** Offset of the last evicted message. Messages between `after` and `upTo` may still be in the log. */
  readonly upTo: Offset
  /** The client's position after the notice: below the offset of every message that the log still delivers. */
  readonly position: Offset
}

/**
 * PORT: the form of messages on a connection. A protocol is stateless, and all connections that negotiated the protocol
 * share one instance.
 *
 * Promises of an implementation, checked by `test/services/protocol/protocol-suite.ts`:
 * - `decode` accepts any bytes and never throws.
 * - `encode` never throws and depends on the message alone, so that all clients can share the bytes.
 * - Every returned Buffer is complete: the outbox writes the bytes to the socket without a further header.
 * - A command without an id gets no reply: `encodeResult` returns null, except for actions of the raw protocol.
 */
export interface Protocol {
  /** Name in lists of clients and in the negotiation of the subprotocol. */
  readonly name: string
  readonly acknowledgedBy: AcknowledgedBy
  /**
   * Whether clients acknowledge messages to everyone and to groups too, for durable cursors of the scope `everything`.
   * By default clients acknowledge messages to their user only.
   * @default false
   */
  readonly acknowledgesAll?: boolean
  /** Whether a lost connection can be resumed under the same client id. */
  readonly isResumable: boolean
  /**
   * Whether the frames of clients wrap a message in JSON, so that a frame may be longer than its message.
   * @default false
   */
  readonly isEnveloped?: boolean
  /** Time in ms between two pings, for clients that expect a period of their own; by default the period of the hub. */
  readonly pingPeriodMs?: number
  /** The heartbeat: bytes that a healthy peer answers, so that a lost connection is detected. */
  readonly ping: Buffer
  /** The reply to a `ping` command; null in a protocol without that command. */
  readonly pong: Buffer | null
  /** The first bytes on a new connection; empty in a protocol without a greeting frame. */
  encodeGreeting (info: GreetingInfo): Buffer
  /** Decodes one frame of a client. */
  decode (data: Buffer, isBinary: boolean, actions: ActionNames): Command
  /** Encodes a message of the log. */
  encode (message: Pick<Message, 'payload' | 'address' | 'from' | 'offset'>): Buffer
  /** Encodes a message to one connection that does not pass through the log and has no offset. */
  encodeReply (payload: Payload): Buffer
  /**
   * Encodes the reply to a command; null when the protocol sends no reply.
   *
   * @throws {HubError} HUB_REQUEST_INVALID for a `data` without JSON: the value comes from the application.
   */
  encodeResult (target: ReplyTarget | CommandWithReply, result: CommandResult): Buffer | null
  /**
   * An ack probe: bytes that prompt a client to acknowledge up to an offset, and the payload of the expected pong. The
   * pong counts only in protocols with `acknowledgedBy: 'pong'`.
   */
  encodeProbe (offset: Offset): { readonly bytes: Buffer, readonly pong: string }
  /** A notice that messages are gone from the log; null in a protocol without such a notice. */
  encodeGap (gap: Gap): Buffer | null
  /** A close notice: the last bytes before the hub closes the connection; null in a protocol without such a notice. */
  encodeCloseNotice (reason: string): Buffer | null
}
