import type { TSchema } from '@sinclair/typebox'
import { CLOSE, fitReason, isSendableCode } from '../model/close-codes.ts'
import { systemClock, type Clock } from '../lib/clock.ts'
import type { ClientPage, ClientQuery, GroupPage, GroupQuery, InboxInfo, MessageStatus } from '../model/info.ts'
import type { Engine } from '../engine/engine.ts'
import { HubError } from '../model/errors.ts'
import type { Identity } from '../model/identity.ts'
import { assertAddress, toPayload, type Address, type ClientId, type Group, type Offset, type Receipt, type SendOptions, type UserId } from '../model/message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { RateLimit } from '../lib/rate-limit.ts'
import { admit, type HubState } from './clients/admission.ts'
import type { ActionHandler, ActionOptions, Actions } from './commands/actions.ts'
import { Client, type CloseReason } from './clients/client.ts'
import type { Commands } from './commands/commands.ts'
import type { Connection } from './outbox/connection.ts'
import { Cursor } from './clients/cursor.ts'
import { toDraft } from './publish/draft.ts'
import { drain } from './clients/drain.ts'
import type { HubEvents, Listener } from './clients/events.ts'
import { messageStatusOf } from './publish/message-status.ts'
import type { ClientMessageHandler, HubOptions, OpenOptions } from './options.ts'
import { listClients, listGroups } from './cluster.ts'
import { createNode, type Node } from './node.ts'
import { Outbox } from './outbox/outbox.ts'

/** Who is here, and the verbs. The only class of the hub that the rest of a program calls. */
export class Hub {
  /** What clients may call by name. */
  readonly actions: Actions
  /** What clients may ask of the hub itself. */
  readonly commands: Commands
  /** Connections that may be resumed. */
  readonly sessions: Node['sessions']
  /** Places of users in all that is said. */
  readonly mailboxes: Node['mailboxes']
  readonly #options: HubOptions
  readonly #engine: Engine
  readonly #parts: Node
  readonly #clock: Clock
  #state: HubState = 'starting'
  #messageHandler: ClientMessageHandler | null = null
  #drained: Promise<void> | null = null

  constructor (options: HubOptions) {
    this.#options = options
    this.#engine = options.engine
    this.#clock = options.clock ?? systemClock
    this.#parts = createNode(options, this.#clock)
    this.actions = this.#parts.actions
    this.commands = this.#parts.commands
    this.sessions = this.#parts.sessions
    this.mailboxes = this.#parts.mailboxes
  }

  /** Whether the hub takes clients. */
  get state (): HubState {
    return this.#state
  }

  /** Connections of this node. */
  get size (): number {
    return this.#parts.registry.size
  }

  /** Frames of all clients of this node since it started, those that are gone included: handed to connections, and lost because a client was over its limit. */
  get counters (): Readonly<{ delivered: number, dropped: number }> {
    return this.#parts.fanOut.flusher.counters
  }

  /** A live connection of this node. */
  client (id: ClientId): Client | undefined {
    return this.#parts.registry.get(id)
  }

  /** Says something to everyone. See `send`. */
  broadcast (message: unknown, options?: SendOptions): Promise<Receipt> {
    return this.send({ all: true }, message, options)
  }

  /**
   * Says something to a user on all devices, to a group, to one client or to everyone. A string goes out as a text frame
   * as it is, a Uint8Array as a binary frame, everything else as its JSON. Several addresses are several messages, each
   * with its own receipt. Rejects with a HubError: HUB_ADDRESS_INVALID, HUB_REQUEST_INVALID, HUB_MESSAGE_TOO_LARGE,
   * HUB_KEY_REUSED, HUB_STORE_FAILED when the log cannot be read, HUB_DRAINING.
   */
  send (address: Address, message: unknown, options?: SendOptions): Promise<Receipt>
  send (addresses: readonly Address[], message: unknown, options?: SendOptions): Promise<Receipt[]>
  async send (to: Address | readonly Address[], message: unknown, options: SendOptions = {}): Promise<Receipt | Receipt[]> {
    if (isList(to)) return Promise.all(to.map((address) => this.send(address, message, options)))
    return this.#parts.publisher.publish(toDraft(to, toPayload(message), options, this.#options.maxMessageBytes))
  }

  /**
   * Makes a connection a member of a group, or with `{ user }` all connections of a user, those to come included.
   * Rejects with HUB_CLIENT_NOT_FOUND, HUB_REQUEST_INVALID when there are too many groups.
   */
  join (who: ClientId | Address, group: Group): Promise<void> {
    return this.#parts.memberships.set(who, group, true)
  }

  /** Ends a membership. Whoever was no member stays none. */
  leave (who: ClientId | Address, group: Group): Promise<void> {
    return this.#parts.memberships.set(who, group, false)
  }

  /** Ends connections in order, on every node. Answers how many. `code` defaults to 4000; codes that may not be sent throw. */
  async disconnect (address: Address, { code, reason }: Partial<CloseReason> = {}): Promise<number> {
    assertAddress(address)
    const ending = { code: code ?? CLOSE.disconnected.code, reason: fitReason(reason ?? CLOSE.disconnected.reason) }
    if (!isSendableCode(ending.code)) {
      throw new HubError('HUB_REQUEST_INVALID', `${ending.code} is no close code that may be sent; use 1000, or one from 3000 to 4999 (RFC 6455 section 7.4.2).`)
    }
    const { answers } = await this.#engine.ask('disconnect', { address, ...ending })
    return answers.reduce((total, { disconnected }) => total + disconnected, 0)
  }

  /** Lists connections of all nodes, oldest first. */
  clients (query: ClientQuery = {}): Promise<ClientPage> {
    return listClients(this.#engine, query)
  }

  /** Lists the groups that have members, by name. */
  groups (query: GroupQuery = {}): Promise<GroupPage> {
    return listGroups(this.#engine, query)
  }

  /** What waits for a user. */
  inbox (user: UserId): Promise<InboxInfo> {
    return this.#parts.inboxes.info(user)
  }

  /** Removes all messages to a user from the log. Answers how many. */
  purgeInbox (user: UserId): Promise<number> {
    return this.#parts.inboxes.purge(user)
  }

  /** What became of a message. Rejects with HUB_MESSAGE_NOT_FOUND when the log does not have it. */
  messageStatus (offset: Offset): Promise<MessageStatus> {
    return messageStatusOf(offset, { engine: this.#engine, inboxes: this.#parts.inboxes, now: this.#clock.wall() })
  }

  on<E extends keyof HubEvents> (event: E, listener: Listener<E>): this {
    this.#parts.events.on(event, listener)
    return this
  }

  off<E extends keyof HubEvents> (event: E, listener: Listener<E>): this {
    this.#parts.events.off(event, listener)
    return this
  }

  /** Takes over what clients say; without it every message is answered with an echo. One message of a client after another. Throws when somebody has taken over before. */
  onMessage (handler: ClientMessageHandler): this {
    if (this.#messageHandler !== null) throw new Error('hub.onMessage has a handler already; let that one decide what to do with a message.')
    this.#messageHandler = handler
    return this
  }

  /** Who has taken over what clients say; null while nobody has. */
  get messageHandler (): ClientMessageHandler | null {
    return this.#messageHandler
  }

  /** Lets clients call a function by name, with data that fits the schema. */
  action<S extends TSchema> (name: string, schema: S, handler: ActionHandler<S>, options?: ActionOptions): this {
    this.actions.add(name, schema, handler, options)
    return this
  }

  /** Throws a HubError when no further client may come in: before the token check without a user, after it with one. One that takes the place of another is none further. */
  admit (user?: UserId, isReplacing = false): void {
    admit(this.#state, this.#parts.registry, isReplacing ? null : this.#options, user)
  }

  /** Takes a connection in: greeted before anything else reaches it, then given what waits for it. */
  open (connection: Connection, identity: Identity, protocol: Protocol, { device = '', after, since, resumed }: OpenOptions = {}): Client {
    const { catchUp, fanOut, heartbeat, registry } = this.#parts
    // What was said to everyone before it came is not for it, or comes from the log.
    fanOut.flusher.runDeferred()
    const { head } = this.#engine
    const client = new Client({
      id: resumed?.claim.clientId ?? this.#parts.nextId(),
      identity,
      protocol,
      connection,
      device: resumed?.session.device ?? device,
      cursor: resumed !== undefined ? Cursor.resumed(resumed.session) : since === undefined ? Cursor.at(head, after) : Cursor.since(since),
      outbox: new Outbox(connection, fanOut.flusher, this.#options.queue),
      taskQueueHooks: this.#parts.taskQueueHooks,
      messageRate: new RateLimit(this.#options.messagesPerSecond),
      hooks: this.#parts.clientHooks,
      clock: this.#clock
    })
    client.greet(protocol.isResumable ? this.sessions.open(client, resumed?.claim.token) : null)
    registry.add(client)
    heartbeat.add(client)
    if (after !== undefined) this.acknowledge(client, after)
    catchUp.begin(client)
    return client
  }

  /** A client has everything that it was given up to an offset. More than it was given does not count. */
  acknowledge (client: Client, offset: Offset): void {
    this.#parts.acknowledge(client, offset)
  }

  /** Forgets a connection that has ended; answers false when it was forgotten before. */
  forget (client: Client): boolean {
    this.#parts.heartbeat.remove(client)
    if (!this.#parts.registry.remove(client)) return false
    void this.sessions.save(client)
    return true
  }

  /** The application knows that the connection has ended; a drain need not wait for it any longer. */
  release (client: Client): void {
    this.#parts.registry.release(client)
  }

  /** Tells the listeners. Resolves when they are done; never rejects. */
  emit<E extends keyof HubEvents> (event: E, ...args: HubEvents[E]): Promise<void> {
    return this.#parts.events.emit(event, ...args)
  }

  /** From now on clients are welcome. */
  start (): void {
    if (this.#state !== 'starting') return
    this.#state = 'ready'
    this.#parts.heartbeat.start()
  }

  /** Takes no more clients and sends those that are here away in paced batches, with 1012. May be called twice. */
  drain (): Promise<void> {
    return this.#drained ??= this.#drain()
  }

  async #drain (): Promise<void> {
    this.#state = 'draining'
    const left = await drain(this.#parts.registry, this.#options.drain)
    if (left > 0) this.#options.log.error({ clients: left }, 'some connections did not end, or their close listeners did not')
    this.#parts.heartbeat.stop()
    await this.#parts.idle()
    this.#state = 'closed'
  }
}

function isList (to: Address | readonly Address[]): to is readonly Address[] {
  return Array.isArray(to)
}
