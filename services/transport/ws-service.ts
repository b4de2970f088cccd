import { systemClock, type Clock } from '../lib/clock.ts'
import { CLOSE, type CloseCode } from '../model/close-codes.ts'
import type { Client } from '../hub/clients/client.ts'
import { Commands } from '../hub/commands/commands.ts'
import type { Connection } from '../hub/outbox/connection.ts'
import type { Hub } from '../hub/hub.ts'
import type { ClientMessageHandler, OpenOptions } from '../hub/options.ts'
import type { Identity } from '../model/identity.ts'
import type { Log } from '../lib/log.ts'
import type { Protocol } from '../protocol/protocol.ts'

export type { Client } from '../hub/clients/client.ts'
export type { ClientMessageHandler, OpenOptions } from '../hub/options.ts'

const ECHO_PREFIX = '服务器已经收到了你的消息==>'

/** How the `ws` library closes for what it refuses, by its documented error codes; every other `WS_ERR_…` is a protocol error. */
const CLOSE_OF_ERROR: Record<string, CloseCode> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: CLOSE.tooLarge,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: CLOSE.tooLarge,
  WS_ERR_INVALID_UTF8: CLOSE.invalidText,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: CLOSE.tooManyParts
}

/** What a WsService works with. */
export interface WsServiceOptions {
  readonly hub: Hub
  readonly log: Log
  /** Largest message in bytes that a client may send. */
  readonly maxMessageBytes: number
  /** Takes what clients say that is no command; without it the application's handler does, and without that an echo. */
  readonly onMessage?: ClientMessageHandler | undefined
  readonly clock?: Clock
}

/**
 * The life of a connection: `onOpen`, then `onMessage` one after another, then `onError` at most once, then
 * `onClose` exactly once and last. Whatever a handler of the application throws stays with that call.
 */
export class WsService {
  readonly #hub: Hub
  readonly #log: Log
  readonly #maxMessageBytes: number
  readonly #onMessage: ClientMessageHandler
  readonly #clock: Clock

  constructor ({ hub, log, maxMessageBytes, onMessage = createEcho(hub), clock = systemClock }: WsServiceOptions) {
    this.#hub = hub
    this.#log = log
    this.#maxMessageBytes = maxMessageBytes
    this.#onMessage = onMessage
    this.#clock = clock
  }

  /** Takes a connection in. Answers null when that failed, or the connection is gone already; it is gone then. */
  onOpen (connection: Connection, identity: Identity, protocol: Protocol, options: OpenOptions = {}): Client | null {
    // It may have been lost while it was found out who it is, and nobody would ever hear of its end.
    if (!connection.isOpen) return null
    try {
      const client = this.#hub.open(connection, identity, protocol, this.#replace(options))
      this.#log.info({ clientId: client.id, user: identity.user, address: connection.address, protocol: protocol.name }, options.resumed === undefined ? 'client connected' : 'client resumed')
      client.taskQueue.run(() => this.#hub.emit('open', client))
      return client
    } catch (err) {
      this.#log.error({ err, user: identity.user }, 'a connection could not be opened')
      connection.terminate()
      return null
    }
  }

  onMessage (client: Client, data: Buffer, isBinary: boolean): void {
    if (!client.isOpen) return
    if (data.length > this.#maxMessageBytes) return client.close(CLOSE.tooLarge)
    if (!client.messageRate.allow(this.#clock.steady())) return client.close(CLOSE.tooManyMessages)
    client.received++
    const command = client.protocol.decode(data, isBinary, this.#hub.actions)
    if (command.kind === 'message') return client.taskQueue.run(() => this.#onMessage(client, command.data))
    if (Commands.isQueued(command)) return client.taskQueue.run(() => this.#hub.commands.executeAndReply(client, command))
    this.#hub.commands.execute(client, command)
  }

  /** A pong may say that the client has what it was sent. */
  onPong (client: Client, payload: Buffer): void {
    if (client.cursor.pendingProbe === null) return
    const offset = client.onPong(payload.toString('latin1'))
    if (offset !== null) this.#hub.acknowledge(client, offset)
  }

  /** The connection failed, or is about to. Only the first failure counts. */
  onError (client: Client, error: Error): void {
    if (client.failure !== null) return
    client.failure = error
    client.taskQueue.run(() => this.#hub.emit('error', client, error))
  }

  /** The connection is gone. `code` and `reason` are what the socket says; how the hub ended it, or why it failed, goes before that. */
  onClose (client: Client, code: number, reason: string): void {
    if (!this.#hub.forget(client)) return
    const end = client.closeReason ?? { code: codeOf(client.failure) ?? code, reason }
    if (code === CLOSE.abnormal.code) this.onError(client, new Error(end.reason === '' ? CLOSE.abnormal.reason : end.reason))
    this.#logEnd(client, end)
    client.taskQueue.run(async () => {
      await this.#hub.emit('close', client, end.code, end.reason)
      this.#hub.release(client)
    })
  }

  /** The connection that another one resumes is over, whether or not its socket has noticed; what it knows of its place is the newest. */
  #replace (options: OpenOptions): OpenOptions {
    const { resumed } = options
    const previous = resumed === undefined ? undefined : this.#hub.client(resumed.claim.clientId)
    if (resumed === undefined || previous === undefined) return options
    const session = this.#hub.sessions.of(previous) ?? resumed.session
    previous.terminate(CLOSE.replaced)
    this.onClose(previous, CLOSE.replaced.code, CLOSE.replaced.reason)
    return { ...options, resumed: { ...resumed, session } }
  }

  #logEnd (client: Client, { code, reason }: { code: number, reason: string }): void {
    const { id: clientId, identity: { user }, failure, received, openedAt, outbox: { delivered, dropped } } = client
    const line = { clientId, user, code, reason, received, delivered, dropped, durationMs: this.#clock.wall() - openedAt }
    if (failure === null) this.#log.info(line, 'client disconnected')
    else this.#log.warn({ ...line, failure: failure.message }, 'client lost')
  }
}

/** Leaves what clients say to the application. While nobody there takes it, answers as the Go services did: the frame type that came, a prefix, and what came. */
export function createEcho (hub: Pick<Hub, 'messageHandler'>, prefix = ECHO_PREFIX): ClientMessageHandler {
  const prefixBytes = Buffer.from(prefix)
  const echo: ClientMessageHandler = (client, data) => client.reply(typeof data === 'string' ? prefix + data : Buffer.concat([prefixBytes, data]))
  return (client, data) => (hub.messageHandler ?? echo)(client, data)
}

function codeOf (error: Error | null): number | null {
  if (error === null || !('code' in error) || typeof error.code !== 'string' || !error.code.startsWith('WS_ERR_')) return null
  return (CLOSE_OF_ERROR[error.code] ?? CLOSE.protocolError).code
}
