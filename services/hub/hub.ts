import type { ConnectedClient } from '../model/client.ts'
import { toCloseReason, type CloseReason } from '../model/close-codes.ts'
import type { ClientPage, ClientQuery, GroupPage, GroupQuery, InboxInfo, MessageStatus } from '../model/info.ts'
import { assertAddress, toPayload } from '../model/message.ts'
import type { Address, ClientId, Group, Offset, Receipt, SendOptions, UserId } from '../model/message.ts'
import type { WithUndefined } from '../model/optional.ts'
import type { NodeState } from './clients/admission.ts'
import type { HubEvents, Listener } from './clients/events.ts'
import type { ActionHandler, ActionOptions } from './commands/actions.ts'
import type { HubNode } from './node.ts'
import type { ClientMessageHandler } from './options.ts'

/**
 * The hub, as applications see it: `fastify.hub`. Publishes messages, manages groups and inboxes, and lists and closes
 * connections, on all nodes.
 */
export class Hub {
  readonly #node: HubNode

  constructor (node: HubNode) {
    this.#node = node
  }

  /** State of the hub: `starting`, `ready`, `draining` or `closed`. Clients can connect while the hub is `ready`. */
  get state (): NodeState {
    return this.#node.state
  }

  /** Why the log cannot be written at the moment, in one sentence, such as a full disk; null while the log works. */
  get problem (): string | null {
    return this.#node.problem
  }

  /** Number of connections on this node, with those that have begun to close and whose sockets have not ended yet. */
  get size (): number {
    return this.#node.registry.size
  }

  /**
   * Counts of frames since this node started, for present and past clients: frames handed to connections, and frames
   * dropped because a client was over the bound of its outbox.
   */
  get counters (): Readonly<{ delivered: number, dropped: number }> {
    return this.#node.counters
  }

  /** The connection with an id on this node; undefined when the client is not connected here. */
  client (id: ClientId): ConnectedClient | undefined {
    return this.#node.registry.get(id)
  }

  /**
   * The open connections of this node at an address, by default all, in a new array.
   *
   * @throws {HubError} HUB_ADDRESS_INVALID when the address has a wrong form.
   * @example
   * for (const client of fastify.hub.localClients({ group: 'news' })) client.reply('only on this node')
   */
  localClients (address: Address = { all: true }): ConnectedClient[] {
    assertAddress(address)
    return this.#node.registry.matchOpen(address)
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
    return this.#node.publisher.publish(to, toPayload(message), options)
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
   * Closes the connections at an address on all nodes: queued frames are written, then the Close frame. A close code
   * that forbids a retry also ends the sessions: neither these connections can be resumed, nor, with `{ client }`,
   * `{ user }` and `{ all: true }`, connections that were lost shortly before.
   *
   * @param closeReason `code`: 1000, or from 3000 to 4999 (RFC 6455 section 7.4.2), default 4000; `reason`: default the
   * reason of code 4000, cut to the 123 bytes of a Close frame.
   * @returns the number of closed connections.
   * @throws {HubError} HUB_ADDRESS_INVALID when the address has a wrong form.
   * @throws {HubError} HUB_REQUEST_INVALID when the code may not be sent.
   * @throws {HubError} HUB_STORE_FAILED when the connections are closed, but the end of their sessions is not stored.
   * @example
   * await fastify.hub.disconnect({ user: 'bob' }, { code: 4900, reason: 'signed out' })
   */
  async disconnect (address: Address, closeReason: WithUndefined<Partial<CloseReason>> = {}): Promise<number> {
    assertAddress(address)
    return this.#node.disconnect(address, toCloseReason(closeReason))
  }

  /**
   * Lists connections of all nodes, oldest first.
   *
   * @param query `id`, `user`, `group`: only these connections; `after`: the `next` of the previous page; `limit`:
   * connections per page, default 100.
   * @returns one page, with the total number of matching connections.
   */
  clients (query: ClientQuery = {}): Promise<ClientPage> {
    return this.#node.cluster.clients(query)
  }

  /**
   * Lists groups with members on any node, by name.
   *
   * @param query `after`: the `next` of the previous page; `limit`: groups per page, default 100.
   */
  groups (query: GroupQuery = {}): Promise<GroupPage> {
    return this.#node.cluster.groups(query)
  }

  /**
   * Reads the summary of a user's inbox: the number of unacknowledged messages, the offset of the oldest, the number of
   * messages that left the log unacknowledged, and the acknowledged offset of each durable cursor.
   *
   * @throws {HubError} HUB_STORE_FAILED when the log cannot be read.
   * @example
   * const { count, dropped } = await fastify.hub.inbox('bob')
   */
  inbox (user: UserId): Promise<InboxInfo> {
    return this.#node.durableCursors.info(user)
  }

  /**
   * Removes all messages to a user from the log.
   *
   * @returns the number of removed messages.
   * @throws {HubError} HUB_STORE_FAILED when the log cannot be written.
   */
  purgeInbox (user: UserId): Promise<number> {
    return this.#node.durableCursors.purge(user)
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
    return this.#node.messageStatuses.of(offset)
  }

  /**
   * Adds a listener for connections of this node: `open`, then `error` at most once (for any end but a clean close),
   * then `close` exactly once and last. The next event of the same client waits for a returned promise. An error of a
   * listener is logged.
   *
   * @throws {Error} for an unknown event, and for a listener that is no function.
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
   * @throws {Error} when a handler is set already, and for a handler that is no function.
   * @example
   * fastify.hub.onMessage(async (client, data) => {
   *   if (typeof data === 'string') await fastify.hub.broadcast(`${client.identity.user}: ${data}`)
   *   client.reply('published')
   * })
   */
  onMessage (handler: ClientMessageHandler): this {
    this.#node.setMessageHandler(handler)
    return this
  }

  /**
   * Adds an action: a function that clients call by name. Data that does not fit the schema is refused with
   * HUB_REQUEST_INVALID before the handler runs; the handler's result is the reply.
   *
   * @param name Name of the action; each name can be added once.
   * @param schema Schema of the data: a TypeBox schema of `@sinclair/typebox` or of `typebox` 1.x, or any other JSON
   * Schema (draft 7), such as `{ type: 'object', properties: { … } }`. The data is never changed: no coercion, no
   * defaults.
   * @param handler Receives the data and the calling client. With a TypeBox schema the data has the schema's type,
   * otherwise `unknown`.
   * @param options `role`: role that the client's token must have, default none; `timeoutMs`: time limit in ms, default
   * `websocket.actionTimeout`, 0 for no limit.
   * @throws {Error} when the application has an action with this name already, the schema does not compile, or another
   * argument has a wrong form.
   * @example
   * fastify.hub.action('rename', Type.Object({ name: Type.String({ maxLength: 40 }) }), async ({ name }, client) => {
   *   if (name === 'admin') throw new ActionError('NAME_TAKEN', 'Choose another name.')
   *   return { user: client.identity.user, name }
   * })
   */
  action<S extends object> (name: string, schema: S, handler: ActionHandler<S>, options?: ActionOptions): this {
    this.#node.actions.add(name, schema, handler, options)
    return this
  }

  /**
   * Stops admitting clients and closes all connections of this node in paced batches, with close code 1012 (service
   * restart). Resolves when the connections have ended or the grace period is over. A second call returns the same
   * promise.
   */
  drain (): Promise<void> {
    return this.#node.drain()
  }
}

function isList (to: Address | readonly Address[]): to is readonly Address[] {
  return Array.isArray(to)
}
