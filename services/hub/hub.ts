import type { Engine } from '../engine/engine.ts'
import { systemClock, type Clock } from '../lib/clock.ts'
import { CLOSE, fitReason, isSendableCode } from '../model/close-codes.ts'
import { HubError } from '../model/errors.ts'
import type { Identity } from '../model/identity.ts'
import type { ClientPage, ClientQuery, GroupPage, GroupQuery, InboxInfo, MessageStatus } from '../model/info.ts'
import { assertAddress, toPayload } from '../model/message.ts'
import type { Address, ClientId, Group, Offset, Receipt, SendOptions, UserId } from '../model/message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { admit, type HubState } from './clients/admission.ts'
import type { Client, CloseReason } from './clients/client.ts'
import { drain } from './clients/drain.ts'
import type { HubEvents, Listener } from './clients/events.ts'
import { disconnectClients, listClients, listGroups } from './cluster.ts'
import type { ActionHandler, ActionOptions, Actions } from './commands/actions.ts'
import type { Commands } from './commands/commands.ts'
import { createNode, type Node } from './node.ts'
import { openClient } from './open-client.ts'
import type { ClientMessageHandler, HubOptions, OpenOptions } from './options.ts'
import type { Connection } from './outbox/connection.ts'
import { toDraft } from './publish/draft.ts'
import { messageStatusOf } from './publish/message-status.ts'

/**
 * The hub, as applications see it: `fastify.hub`. Publishes messages, manages groups and inboxes, and lists and closes
 * connections, on all nodes. The methods from `admit` on are for transports: the WebSocket and SSE endpoints call
 * these.
 */
export class Hub {
  /** Actions of the application, by name. Applications add an action with `action`. */
  readonly actions: Actions
  /** Commands of clients: join, send, acknowledge and calls of actions. For transports. */
  readonly commands: Commands
  /** Sessions of resumable connections. For transports. */
  readonly sessions: Node['sessions']
  /** Durable cursors with the scope `everything`: positions of users in all messages that concern the user. */
  readonly mailboxes: Node['everythingCursors']
  readonly #options: HubOptions
  readonly #engine: Engine
  readonly #node: Node
  readonly #clock: Clock
  #state: HubState = 'starting'
  #messageHandler: ClientMessageHandler | null = null
  #drained: Promise<void> | null = null

  constructor (options: HubOptions) {
    this.#options = options
    this.#engine = options.engine
    this.#clock = options.clock ?? systemClock
    this.#node = createNode(options, this.#clock)
    this.actions = this.#node.actions
    this.commands = this.#node.commands
    this.sessions = this.#node.sessions
    this.mailboxes = this.#node.everythingCursors
  }

  /** State of the hub: `starting`, `ready`, `draining` or `closed`. Clients can connect while the hub is `ready`. */
  get state (): HubState {
    return this.#state
  }

  /** Number of connections on this node. */
  get size (): number {
    return this.#node.registry.size
  }

  /**
   * Counts of frames since this node started, for present and past clients: frames handed to connections, and frames
   * dropped because a client was over the bound of its outbox.
   */
  get counters (): Readonly<{ delivered: number, dropped: number }> {
    return this.#node.fanOut.flusher.counters
  }

  /** The connection with an id on this node; undefined when the client is not connected here. */
  client (id: ClientId): Client | undefined {
    return this.#node.registry.get(id)
  }

  /**
   * Publishes a message to everyone. Parameters, result and errors are those of `send`.
   *
   * @example
   * await fastify.hub.broadcast('hello')
   * await fastify.hub.broadcast({ price: 9.5 }, { key: 'price-4711' })
   */
  broadcast (message: unknown, options?: SendOptions): Promise<Receipt> {
    return this.send({ all: true }, message, options)
  }

  /**
   * Publishes a message to an address: `{ user }`, `{ group }`, `{ client }` or `{ all: true }`. A message to a user
   * goes to all connections of the user, and stays in the inbox until the acknowledgement or the eviction from the log.
   *
   * @param message A string becomes a text frame as it is, a Uint8Array a binary frame, any other value its JSON.
   * @param options `key`: idempotency key; `ttl`: life in the log in seconds, by default limited by the log alone;
   * `keep`: false keeps the message out of the log, default true; `except`: ids of clients that do not receive the
   * message; `conflate`: key under which a newer message replaces an older queued message.
   * @returns the receipt: the offset, whether the log has stored the message, and the numbers of clients that matched,
   * were written and are behind. Resolves when the message is as durable as the engine can make the message, and has
   * been offered to every live client; delivery does not wait for the disk.
   * @throws {HubError} HUB_ADDRESS_INVALID when the address has a wrong form.
   * @throws {HubError} HUB_REQUEST_INVALID when an option has a wrong value, or the message has no JSON form.
   * @throws {HubError} HUB_MESSAGE_TOO_LARGE when the payload is larger than `websocket.maxMessageSize`.
   * @throws {HubError} HUB_KEY_REUSED when the key was used for another message.
   * @throws {HubError} HUB_STORE_FAILED when the log cannot be read.
   * @throws {HubError} HUB_DRAINING when the hub is closed.
   * @example
   * const { offset, matched } = await fastify.hub.send({ user: 'bob' }, 'for all your devices')
   * await fastify.hub.send({ group: 'news' }, { headline: 'rain' }, { ttl: 60 })
   */
  send (address: Address, message: unknown, options?: SendOptions): Promise<Receipt>
  /**
   * Publishes one message per address. Resolves with one receipt per address, in the order of the addresses.
   *
   * @example
   * const [bob, carol] = await fastify.hub.send([{ user: 'bob' }, { user: 'carol' }], 'both of you')
   */
  send (addresses: readonly Address[], message: unknown, options?: SendOptions): Promise<Receipt[]>
  async send (to: Address | readonly Address[], message: unknown, options: SendOptions = {}) {
    if (isList(to)) return Promise.all(to.map((address) => this.send(address, message, options)))
    return this.#node.publisher.publish(toDraft(to, toPayload(message), options, this.#options.maxMessageBytes))
  }

  /**
   * Joins a group. A client id or `{ client }` joins one connection, until the connection has ended and can no longer
   * be resumed; `{ user }` joins all present and later connections of the user; `{ group }` and `{ all: true }` join
   * the connections of this moment. A member receives the group's messages from now on. Joining twice has no further
   * effect.
   *
   * @throws {HubError} HUB_ADDRESS_INVALID when the address or the group has a wrong form.
   * @throws {HubError} HUB_CLIENT_NOT_FOUND when the client is not connected.
   * @throws {HubError} HUB_REQUEST_INVALID when the client or the user is in 1000 groups already.
   * @throws {HubError} HUB_STORE_FAILED when the groups of a user cannot be stored.
   * @example
   * await fastify.hub.join({ user: 'bob' }, 'news')
   */
  join (who: ClientId | Address, group: Group): Promise<void> {
    return this.#node.memberships.set(who, group, true)
  }

  /**
   * Leaves a group; the counterpart of `join`, with the same addresses. Leaving a group without a membership is no
   * error.
   *
   * @throws {HubError} HUB_ADDRESS_INVALID when the address or the group has a wrong form.
   * @throws {HubError} HUB_CLIENT_NOT_FOUND when the client is not connected.
   * @throws {HubError} HUB_STORE_FAILED when the groups of a user cannot be stored.
   * @example
   * await fastify.hub.leave({ user: 'bob' }, 'news')
   */
  leave (who: ClientId | Address, group: Group): Promise<void> {
    return this.#node.memberships.set(who, group, false)
  }

  /**
   * Closes the connections at an address on all nodes: queued frames are written, then the Close frame.
   *
   * @param closeReason `code`: 1000, or from 3000 to 4999 (RFC 6455 section 7.4.2), default 4000; `reason`: default the
   * reason of code 4000, cut to the 123 bytes of a Close frame.
   * @returns the number of closed connections.
   * @throws {HubError} HUB_ADDRESS_INVALID when the address has a wrong form.
   * @throws {HubError} HUB_REQUEST_INVALID when the code may not be sent.
   * @example
   * await fastify.hub.disconnect({ user: 'bob' }, { code: 4900, reason: 'signed out' })
   */
  async disconnect (address: Address, closeReason: Partial<CloseReason> = {}): Promise<number> {
    assertAddress(address)
    const code = closeReason.code ?? CLOSE.disconnected.code
    const reason = fitReason(closeReason.reason ?? CLOSE.disconnected.reason)
    if (!isSendableCode(code)) {
      throw new HubError('HUB_REQUEST_INVALID', `${code} is no close code that may be sent; use 1000, or one from 3000 to 4999 (RFC 6455 section 7.4.2).`)
    }
    return disconnectClients(this.#engine, { address, code, reason })
  }

  /**
   * Lists connections of all nodes, oldest first.
   *
   * @param query `id`, `user`, `group`: only these connections; `after`: the `next` of the previous page; `limit`:
   * connections per page, default 100.
   * @returns one page, with the total number of matching connections.
   */
  clients (query: ClientQuery = {}): Promise<ClientPage> {
    return listClients(this.#engine, query)
  }

  /**
   * Lists groups with members on any node, by name.
   *
   * @param query `after`: the `next` of the previous page; `limit`: groups per page, default 100.
   */
  groups (query: GroupQuery = {}): Promise<GroupPage> {
    return listGroups(this.#engine, query)
  }

  /**
   * Reads the summary of a user's inbox: the number of unacknowledged messages, the offset of the oldest, the number of
   * messages that left the log unacknowledged, and the acknowledged offset of each device.
   *
   * @throws {HubError} HUB_STORE_FAILED when the log cannot be read.
   * @example
   * const { count, dropped } = await fastify.hub.inbox('bob')
   */
  inbox (user: UserId): Promise<InboxInfo> {
    return this.#node.inboxCursors.info(user)
  }

  /**
   * Removes all messages to a user from the log.
   *
   * @returns the number of removed messages.
   * @throws {HubError} HUB_STORE_FAILED when the log cannot be written.
   */
  purgeInbox (user: UserId): Promise<number> {
    return this.#node.inboxCursors.purge(user)
  }

  /**
   * Reads the status of a message for each user: `stored`, `sent`, `acknowledged` or `expired`. The status of a message
   * with a ttl stays readable for a day after the expiry.
   *
   * @param offset Offset from the receipt.
   * @throws {HubError} HUB_MESSAGE_NOT_FOUND when the log has no message at the offset.
   * @example
   * const { offset } = await fastify.hub.send({ user: 'bob' }, 'please confirm')
   * const { users: [bob] } = await fastify.hub.messageStatus(offset)
   * if (bob?.status !== 'acknowledged') fastify.log.info('not yet')
   */
  messageStatus (offset: Offset): Promise<MessageStatus> {
    return messageStatusOf(offset, this.#engine, this.#node.inboxCursors, this.#clock)
  }

  /**
   * Adds a listener for connections of this node: `open`, then `error` at most once (for any end but a clean close),
   * then `close` exactly once and last. The next event of the same client waits for a returned promise. An error of a
   * listener is logged.
   *
   * @example
   * fastify.hub.on('open', async (client) => {
   *   await fastify.hub.send({ client: client.id }, { welcome: client.identity.user })
   * })
   * fastify.hub.on('close', (client, code, reason) => fastify.log.info({ clientId: client.id, code, reason }, 'gone'))
   */
  on<E extends keyof HubEvents> (event: E, listener: Listener<E>): this {
    this.#node.events.on(event, listener)
    return this
  }

  /** Removes a listener that `on` added. */
  off<E extends keyof HubEvents> (event: E, listener: Listener<E>): this {
    this.#node.events.off(event, listener)
    return this
  }

  /**
   * Sets the handler for messages of raw clients, in place of the echo. The handler runs for one message of a client
   * after another; messages of different clients run concurrently.
   *
   * @throws {Error} when a handler is set already.
   * @example
   * fastify.hub.onMessage(async (client, data) => {
   *   if (typeof data === 'string') await fastify.hub.broadcast(`${client.identity.user}: ${data}`)
   *   client.reply('published')
   * })
   */
  onMessage (handler: ClientMessageHandler): this {
    if (this.#messageHandler !== null) throw new Error('hub.onMessage has a handler already; let that one decide what to do with a message.')
    this.#messageHandler = handler
    return this
  }

  /** The handler that `onMessage` set; null before. */
  get messageHandler (): ClientMessageHandler | null {
    return this.#messageHandler
  }

  /**
   * Adds an action: a function that clients call by name. Data that does not fit the schema is refused with
   * HUB_REQUEST_INVALID before the handler runs; the handler's result is the reply.
   *
   * @param name Name of the action; each name can be added once.
   * @param schema Schema of the data: a TypeBox schema of `@sinclair/typebox`, or any other JSON Schema (draft 7), such
   * as `{ type: 'object', properties: { … } }`. The data is never changed: no coercion, no defaults.
   * @param handler Receives the data and the calling client. With a TypeBox schema the data has the schema's type,
   * otherwise `unknown`.
   * @param options `role`: role that the client's token must have, default none; `timeoutMs`: time limit in ms, default
   * `websocket.actionTimeout`, 0 for no limit.
   * @throws {Error} when the application has an action with this name already, or the schema does not compile.
   * @example
   * fastify.hub.action('rename', Type.Object({ name: Type.String({ maxLength: 40 }) }), async ({ name }, client) => {
   *   if (name === 'admin') throw new ActionError('NAME_TAKEN', 'Choose another name.')
   *   return { user: client.identity.user, name }
   * })
   */
  action<S extends object> (name: string, schema: S, handler: ActionHandler<S>, options?: ActionOptions): this {
    this.actions.add(name, schema, handler, options)
    return this
  }

  /**
   * Checks that a further client may connect. For transports: called without a user before the token check, and with
   * the user afterwards.
   *
   * @param isReplacing Whether the client replaces a connection of its own, which the limits count already.
   * @throws {HubError} HUB_DRAINING when the hub is not ready.
   * @throws {HubError} HUB_FULL when the hub has `websocket.maxClients` connections.
   * @throws {HubError} HUB_USER_FULL when the user has `websocket.maxClientsPerUser` connections.
   */
  admit (user?: UserId, isReplacing = false): void {
    admit(this.#state, this.#node.registry, isReplacing ? null : this.#options, user)
  }

  /**
   * Opens a client on a connection. For transports. The greeting is the first frame; then the client catches up from
   * its start position and becomes live.
   */
  open (connection: Connection, identity: Identity, protocol: Protocol, options: OpenOptions = {}): Client {
    return openClient(this.#node, connection, identity, protocol, options)
  }

  /**
   * Acknowledges every message up to an offset for a client. For transports. Only messages given to the client count.
   */
  acknowledge (client: Client, offset: Offset): void {
    this.#node.acknowledgements.acknowledge(client, offset)
  }

  /** Removes a client whose connection has ended. For transports. Returns false when the client was removed before. */
  forget (client: Client): boolean {
    this.#node.heartbeat.remove(client)
    if (!this.#node.registry.remove(client)) return false
    void this.sessions.save(client)
    return true
  }

  /** Ends the wait of `drain` for a client, after the application's `close` listeners have run. For transports. */
  release (client: Client): void {
    this.#node.registry.release(client)
  }

  /** Calls the listeners of an event. For transports. Resolves when all listeners have run; never rejects. */
  emit<E extends keyof HubEvents> (event: E, ...args: HubEvents[E]): Promise<void> {
    return this.#node.events.emit(event, ...args)
  }

  /** Starts admitting clients, and starts the heartbeat. Called when the application is ready. */
  start (): void {
    if (this.#state !== 'starting') return
    this.#state = 'ready'
    this.#node.heartbeat.start()
  }

  /**
   * Stops admitting clients and closes all connections of this node in paced batches, with close code 1012 (service
   * restart). Resolves when the connections have ended or the grace period is over. A second call returns the same
   * promise.
   */
  drain (): Promise<void> {
    return this.#drained ??= this.#drain()
  }

  async #drain (): Promise<void> {
    this.#state = 'draining'
    const left = await drain(this.#node.registry, this.#options.drain)
    if (left > 0) {
      this.#options.log.error({ clients: left }, 'some connections did not end, or their close listeners did not')
    }
    this.#node.heartbeat.stop()
    await this.#node.idle()
    this.#state = 'closed'
  }
}

function isList (to: Address | readonly Address[]): to is readonly Address[] {
  return Array.isArray(to)
}
