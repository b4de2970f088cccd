import { systemClock, type Clock } from './clock.ts'
import { CLOSE, type CloseCode } from './close-codes.ts'
import { Frame } from './hub/batch.ts'
import type { Client } from './hub/client.ts'
import type { Connection } from './hub/connection.ts'
import type { Hub } from './hub/hub.ts'
import type { Identity } from './identity.ts'
import type { Log } from './log.ts'
import type { Command, Protocol } from './protocol/protocol.ts'

const ECHO_PREFIX = '服务器已经收到了你的消息==>'
const ECHO_PREFIX_BYTES = Buffer.from(ECHO_PREFIX)

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
  readonly clock?: Clock
}

/**
 * The life of a WebSocket connection: `onOpen`, then `onMessage` one after another, then `onError` at most once, then
 * `onClose` exactly once and last. Whatever a handler of the application throws stays with that call.
 */
export class WsService {
  readonly #hub: Hub
  readonly #log: Log
  readonly #maxMessageBytes: number
  readonly #clock: Clock

  constructor ({ hub, log, maxMessageBytes, clock = systemClock }: WsServiceOptions) {
    this.#hub = hub
    this.#log = log
    this.#maxMessageBytes = maxMessageBytes
    this.#clock = clock
  }

  /** Takes a connection in. Answers null when that failed; the connection is gone then. */
  onOpen (connection: Connection, identity: Identity, protocol: Protocol): Client | null {
    try {
      const client = this.#hub.open(connection, identity, protocol)
      this.#log.info({ clientId: client.id, user: identity.user, address: connection.address }, 'client connected')
      client.turns.run(() => this.#hub.emit('open', client))
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
    client.turns.run(() => this.#obey(client, command))
  }

  /** The connection failed, or is about to. Only the first failure counts. */
  onError (client: Client, error: Error): void {
    if (client.failure !== null) return
    client.failure = error
    client.turns.run(() => this.#hub.emit('error', client, error))
  }

  /** The connection is gone. `code` and `reason` are what the socket says; how the hub ended it, or why it failed, goes before that. */
  onClose (client: Client, code: number, reason: string): void {
    if (!this.#hub.forget(client)) return
    const end = client.ending ?? { code: codeOf(client.failure) ?? code, reason }
    if (code === CLOSE.abnormal.code) this.onError(client, new Error(end.reason === '' ? CLOSE.abnormal.reason : end.reason))
    this.#logEnd(client, end)
    client.turns.run(async () => {
      await this.#hub.emit('close', client, end.code, end.reason)
      this.#hub.release(client)
    })
  }

  #obey (client: Client, command: Command): unknown {
    if (command.kind === 'action') return this.#call(client, command)
    const handler = this.#hub.messageHandler ?? echo
    return handler(client, command.data)
  }

  async #call (client: Client, call: Extract<Command, { kind: 'action' }>): Promise<void> {
    const answer = await this.#hub.actions.call(call.name, call.data, client, (result) => client.protocol.encodeResult(call, result))
    if (client.isOpen) client.push(new Frame(answer))
  }

  #logEnd (client: Client, { code, reason }: { code: number, reason: string }): void {
    const { id: clientId, identity: { user }, failure, received, openedAt, outbox: { delivered, dropped } } = client
    const line = { clientId, user, code, reason, received, delivered, dropped, durationMs: this.#clock.wall() - openedAt }
    if (failure === null) this.#log.info(line, 'client disconnected')
    else this.#log.warn({ ...line, failure: failure.message }, 'client lost')
  }
}

/** What the Go services answered: the frame type that came, a prefix, and what came. */
function echo (client: Client, data: string | Buffer): void {
  client.reply(typeof data === 'string' ? ECHO_PREFIX + data : Buffer.concat([ECHO_PREFIX_BYTES, data]))
}

function codeOf (error: Error | null): number | null {
  if (error === null || !('code' in error) || typeof error.code !== 'string' || !error.code.startsWith('WS_ERR_')) return null
  return (CLOSE_OF_ERROR[error.code] ?? CLOSE.protocolError).code
}
