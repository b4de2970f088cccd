import type { Client } from '../hub/clients/client.ts'
import { Commands } from '../hub/commands/commands.ts'
import type { Hub } from '../hub/hub.ts'
import type { ClientMessageHandler, OpenOptions } from '../hub/options.ts'
import type { Connection } from '../hub/outbox/connection.ts'
import { systemClock, type Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { CLOSE, type CloseCode } from '../model/close-codes.ts'
import type { Identity } from '../model/identity.ts'
import type { Protocol } from '../protocol/protocol.ts'

export type { Client } from '../hub/clients/client.ts'
export type { ClientMessageHandler, OpenOptions } from '../hub/options.ts'

/** Prefix of an echo, as GinSkeleton wrote it: "the server has received your message". */
const ECHO_PREFIX = '服务器已经收到了你的消息==>'

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
  readonly #hub: Hub
  readonly #log: Log
  readonly #maxMessageBytes: number
  readonly #onMessage: ClientMessageHandler
  readonly #clock: Clock

  /**
   * @param maxMessageBytes - largest message that a client may send, in bytes.
   * @param onMessage - handler for client messages that are no command. Default: the handler of `hub.onMessage`, or an
   * echo without one.
   */
  constructor (
    hub: Hub,
    log: Log,
    maxMessageBytes: number,
    onMessage: ClientMessageHandler = createEcho(hub),
    clock: Clock = systemClock
  ) {
    this.#hub = hub
    this.#log = log
    this.#maxMessageBytes = maxMessageBytes
    this.#onMessage = onMessage
    this.#clock = clock
  }

  /**
   * Registers a connection with the hub and emits `open`. Returns null for a connection that has closed meanwhile, and
   * after a failure, which terminates the connection.
   */
  onOpen (connection: Connection, identity: Identity, protocol: Protocol, options: OpenOptions = {}): Client | null {
    // A connection can close during the token check. Its `close` event is over, so a client would stay registered.
    if (!connection.isOpen) return null
    try {
      const client = this.#hub.open(connection, identity, protocol, this.#replace(options))
      const { address } = connection
      const sentence = options.resumed === undefined ? 'client connected' : 'client resumed'
      this.#log.info({ clientId: client.id, user: identity.user, address, protocol: protocol.name }, sentence)
      client.taskQueue.run(() => this.#hub.emit('open', client))
      return client
    } catch (err) {
      this.#log.error({ err, user: identity.user }, 'a connection could not be opened')
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
    if (data.length > this.#maxMessageBytes) return client.close(CLOSE.tooLarge)
    if (!client.messageRate.allow(this.#clock.steady())) return client.close(CLOSE.tooManyMessages)
    client.received++
    const command = client.protocol.decode(data, isBinary, this.#hub.actions)
    if (command.kind === 'message') return client.taskQueue.run(() => this.#onMessage(client, command.data))
    if (Commands.isQueued(command)) {
      return client.taskQueue.run(() => this.#hub.commands.executeAndReply(client, command))
    }
    this.#hub.commands.execute(client, command)
  }

  /** Acknowledges the client's inbox when the payload of a pong matches the pending ack probe. */
  onPong (client: Client, payload: Buffer): void {
    if (!client.cursor.isProbing) return
    const offset = client.onPong(payload.toString('latin1'))
    if (offset !== null) this.#hub.acknowledge(client, offset)
  }

  /** Records the failure of a connection and emits `error`. Later failures of the same connection have no effect. */
  onError (client: Client, error: Error): void {
    if (client.failure !== null) return
    client.failure = error
    client.taskQueue.run(() => this.#hub.emit('error', client, error))
  }

  /**
   * Unregisters a closed connection and emits `close`; a second call has no effect. The close reason of the hub
   * precedes the code of the failure, and the failure precedes the arguments.
   *
   * @param code - close code that the socket reports.
   * @param reason - reason that the socket reports.
   */
  onClose (client: Client, code: number, reason: string): void {
    if (!this.#hub.forget(client)) return
    const end = client.closeReason ?? { code: closeCodeOf(client.failure) ?? code, reason }
    if (code === CLOSE.abnormal.code) this.onError(client, new Error(end.reason || CLOSE.abnormal.reason))
    this.#logClose(client, end)
    client.taskQueue.run(async () => {
      await this.#hub.emit('close', client, end.code, end.reason)
      this.#hub.release(client)
    })
  }

  /**
   * Ends the connection that a new connection resumes, if it is still registered: its socket may not have noticed the
   * loss. The session of the old connection has the newest position and replaces the stored session.
   */
  #replace (options: OpenOptions): OpenOptions {
    const { resumed } = options
    const previous = resumed === undefined ? undefined : this.#hub.client(resumed.claim.clientId)
    if (resumed === undefined || previous === undefined) return options
    const session = this.#hub.sessions.of(previous) ?? resumed.session
    previous.terminate(CLOSE.replaced)
    this.onClose(previous, CLOSE.replaced.code, CLOSE.replaced.reason)
    return { ...options, resumed: { ...resumed, session } }
  }

  #logClose (client: Client, { code, reason }: { code: number, reason: string }): void {
    const { id: clientId, identity: { user }, failure, received, openedAt, outbox: { delivered, dropped } } = client
    const durationMs = this.#clock.wall() - openedAt
    const fields = { clientId, user, code, reason, received, delivered, dropped, durationMs }
    if (failure === null) this.#log.info(fields, 'client disconnected')
    else this.#log.warn({ ...fields, failure: failure.message }, 'client lost')
  }
}

/**
 * Creates a message handler that calls the handler of `hub.onMessage`. Without such a handler it sends every message
 * back as the Go services did: in a frame of the same type, behind a prefix.
 *
 * @param prefix - Default `服务器已经收到了你的消息==>`.
 */
export function createEcho (hub: Pick<Hub, 'messageHandler'>, prefix = ECHO_PREFIX): ClientMessageHandler {
  const prefixBytes = Buffer.from(prefix)
  const echo: ClientMessageHandler = (client, data) => {
    client.reply(typeof data === 'string' ? prefix + data : Buffer.concat([prefixBytes, data]))
  }
  return (client, data) => (hub.messageHandler ?? echo)(client, data)
}

/** The close code for an error of the `ws` library; null for every other error. */
function closeCodeOf (error: Error | null): number | null {
  if (error === null || !('code' in error) || typeof error.code !== 'string') return null
  if (!error.code.startsWith('WS_ERR_')) return null
  return (CLOSE_OF_ERROR[error.code] ?? CLOSE.protocolError).code
}
