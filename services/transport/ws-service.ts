import { Commands } from '../hub/commands/commands.ts'
import type { Client, ClientMessageHandler, HubNode, Ticket } from '../hub/node.ts'
import type { Connection } from '../hub/outbox/connection.ts'
import { reportFailure, type Log } from '../lib/log.ts'
import { CLOSE, type CloseCode } from '../model/close-codes.ts'
import type { Command, Protocol } from '../protocol/protocol.ts'
import { envelopeBytes } from './http/request-body.ts'

/** Prefix of an echo, as GinSkeleton wrote it: "the server has received your message". */
const ECHO_PREFIX = '服务器已经收到了你的消息==>'

/** Time in ms for a Close frame to reach a client that is not read any more. */
const FLOOD_TIMEOUT_MS = 1000

/**
 * Close codes for the documented error codes of the `ws` library. Every other `WS_ERR_…` is a protocol error (RFC 6455
 * section 7.4.1).
 */
const CLOSE_OF_ERROR: Record<string, CloseCode> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: CLOSE.tooLarge,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: CLOSE.tooLarge,
  WS_ERR_INVALID_UTF8: CLOSE.invalidText,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: CLOSE.tooManyParts
}

/**
 * The life of a connection, from the upgrade to its end: `onOpen`, then `onMessage` for one message after another, then
 * `onError` at most once, then `onClose` exactly once and last. A handler of the application that throws or rejects
 * affects only that one call. Server-Sent Events connections use the same service, without messages.
 */
export class WsService {
  readonly #node: HubNode
  readonly #log: Log
  readonly #maxMessageBytes: number
  readonly #onMessage: ClientMessageHandler

  /**
   * @param maxMessageBytes - largest message that a client may send, in bytes.
   * @param onMessage - handler for client messages that are no command. Default: the handler of `hub.onMessage`, or an
   * echo without one.
   */
  constructor (
    node: HubNode, log: Log, maxMessageBytes: number, onMessage: ClientMessageHandler = createEcho(node)
  ) {
    this.#node = node
    this.#log = log
    this.#maxMessageBytes = maxMessageBytes
    this.#onMessage = onMessage
  }

  /**
   * Opens an admitted client on a connection. Returns null for a connection that has closed meanwhile, and after a
   * failure, which terminates the connection.
   */
  onOpen (ticket: Ticket, connection: Connection, protocol: Protocol): Client | null {
    // A connection can close during the token check. Its `close` event is over, so a client would stay registered.
    if (!connection.isOpen) return null
    try {
      return this.#node.open(ticket, connection, protocol)
    } catch (err) {
      this.#log.error({ err, user: ticket.identity.user }, 'a connection could not be opened')
      connection.terminate()
      return null
    }
  }

  /**
   * Decodes a message of a client and runs its command, or hands the message to the application. A message over the
   * size limit or over the client's rate limit closes the connection with 1009 or 4429.
   */
  onMessage (client: Client, data: Buffer, isBinary: boolean): void {
    if (!client.isOpen) return
    if (data.length > this.#maxFrameBytes(client)) {
      this.onError(client, new Error(CLOSE.tooLarge.reason))
      return client.close({ code: CLOSE.tooLarge.code, reason: '' })
    }
    if (!client.onReceived()) return client.close(CLOSE.tooManyMessages)
    const { commands } = this.#node
    const command = this.#decode(client, data, isBinary)
    if (command === null) return
    if (command.kind === 'message') return client.taskQueue.run(() => this.#onMessage(client, command.data))
    if (Commands.isQueued(command)) return client.taskQueue.run(() => commands.executeAndReply(client, command))
    commands.execute(client, command)
  }

  /** Decodes a message. Protocols never throw; if one does, only this connection ends. Null after an error. */
  #decode (client: Client, data: Buffer, isBinary: boolean): Command | null {
    try {
      return client.protocol.decode(data, isBinary, this.#node.actions)
    } catch (err) {
      reportFailure(this.#log, err, { clientId: client.id }, 'a message of a client could not be decoded')
      client.close(CLOSE.internal)
      return null
    }
  }

  #maxFrameBytes ({ protocol }: Client): number {
    return protocol.isEnveloped === true ? envelopeBytes(this.#maxMessageBytes) : this.#maxMessageBytes
  }

  /**
   * Ends the connection of a client that sends more bytes or frames than its rates allow: sends 4429 and stops reading.
   * The answer to the Close frame stays unread, so a timer ends the connection.
   */
  onFlood (client: Client): void {
    if (!client.isOpen) return client.terminate(CLOSE.tooManyMessages)
    client.close(CLOSE.tooManyMessages)
    client.setPaused(true)
    setTimeout(() => client.terminate(CLOSE.tooManyMessages), FLOOD_TIMEOUT_MS).unref()
  }

  /** Acknowledges the client's inbox when a pong answers the pending ack probe. */
  onPong (client: Client, payload: Buffer): void {
    const offset = client.onPong(payload.toString('latin1'))
    if (offset !== null) this.#node.acknowledge(client, offset)
  }

  /** Records the failure of a connection and emits `error`. Later failures of the same connection have no effect. */
  onError (client: Client, error: Error): void {
    this.#node.fail(client, error, closeCodeOf(error))
  }

  /**
   * Removes the client of a closed connection and emits `close`; a second call has no effect. The close reason of the
   * hub precedes the code of the failure, and the failure precedes the arguments.
   *
   * @param code - close code that the socket reports.
   * @param reason - reason that the socket reports.
   */
  onClose (client: Client, code: number, reason: string): void {
    this.#node.forget(client, { code: closeCodeOf(client.failure) ?? code, reason })
  }
}

/**
 * Creates a message handler that calls the handler of `hub.onMessage`. Without such a handler it sends every message
 * back as the Go services did: in a frame of the same type, behind a prefix.
 *
 * @param prefix - Default `服务器已经收到了你的消息==>`.
 */
export function createEcho (node: Pick<HubNode, 'messageHandler'>, prefix = ECHO_PREFIX): ClientMessageHandler {
  const prefixBytes = Buffer.from(prefix)
  const echo: ClientMessageHandler = (client, data) => {
    client.reply(typeof data === 'string' ? prefix + data : Buffer.concat([prefixBytes, data]))
  }
  return (client, data) => (node.messageHandler ?? echo)(client, data)
}

/** The close code for an error of the `ws` library; null for every other error. */
function closeCodeOf (error: Error | null): number | null {
  if (error === null || !('code' in error) || typeof error.code !== 'string') return null
  if (!error.code.startsWith('WS_ERR_')) return null
  return (CLOSE_OF_ERROR[error.code] ?? CLOSE.protocolError).code
}
