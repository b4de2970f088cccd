import { randomUUID } from 'node:crypto'
import { RisingClock, systemClock, type Clock } from '../lib/clock.ts'
import { RateLimit } from '../lib/rate-limit.ts'
import { settledWithin } from '../lib/timeout.ts'
import { CLOSE, mayResume, type CloseReason } from '../model/close-codes.ts'
import type { CursorScope, DurableCursor } from '../model/durable-cursor.ts'
import type { Identity } from '../model/identity.ts'
import type { Address, ClientId, Offset } from '../model/message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { assertCapacity, type NodeState } from './clients/admission.ts'
import { Client } from './clients/client.ts'
import { Cursor } from './clients/cursor.ts'
import { drain } from './clients/drain.ts'
import { Events } from './clients/events.ts'
import { Heartbeat } from './clients/heartbeat.ts'
import { Registry } from './clients/registry.ts'
import { Cluster } from './cluster.ts'
import { Actions } from './commands/actions.ts'
import { Commands } from './commands/commands.ts'
import { CatchUp } from './delivery/catch-up.ts'
import { FanOut } from './delivery/fan-out.ts'
import { FrameCache } from './delivery/frame-cache.ts'
import type { ClientMessageHandler, HubOptions } from './options.ts'
import type { Connection } from './outbox/connection.ts'
import { Flusher } from './outbox/flusher.ts'
import { Outbox } from './outbox/outbox.ts'
import { MessageStatuses } from './publish/message-status.ts'
import { Publisher } from './publish/publisher.ts'
import { Acknowledgements } from './store/acknowledgements.ts'
import { DurableCursors } from './store/durable-cursors.ts'
import { Memberships } from './store/memberships.ts'
import { Redeliveries } from './store/redeliveries.ts'
import { Sessions, type ResumeClaim, type Session } from './store/sessions.ts'
import { StartResolver } from './store/start-position.ts'

export type { Client } from './clients/client.ts'
export type { ClientMessageHandler } from './options.ts'

/** Life of durable cursors and of the groups of a user after the last change, in ms: a year. */
const REMEMBER_MS = 365 * 24 * 3_600_000

/** Time limit in ms for queued writes to the engine's state when the node stops. */
const IDLE_MS = 5000

/** Page of a client that catches up, unless half of the outbox is smaller. */
const PAGE = { messages: 256, bytes: 65_536 }

/**
 * The part of the log that a connecting client asks for. Without any of these, the client starts at the head, and at
 * the unread inbox of the user.
 */
export interface StartRequest {
  /** Name of the device: connections of a named device have a durable cursor of their own. */
  readonly device?: string
  /** Scope of the durable cursor through which the client reads. Default `inbox`. */
  readonly scope?: CursorScope
  /** Offset up to which the client states to have every message; the client continues there. */
  readonly after?: Offset
  /** Claim to resume a lost connection. */
  readonly claim?: ResumeClaim
}

/** The start of an admitted client in the log. */
type TicketStart =
  /** A new client: at the head, or after the offset that the client states. */
  | { readonly after: Offset | undefined }
  /** A client that reads through a durable cursor with the scope `everything`: at the offset of the cursor. */
  | { readonly since: Offset }
  /** A client that resumes a connection: at the position of the session. */
  | { readonly claim: ResumeClaim, readonly session: Session }

/** The right to open one client: the result of an admission, for `open`. */
export interface Ticket {
  readonly identity: Identity
  readonly durableCursor: DurableCursor
  readonly start: TicketStart
}

/**
 * The result of an admission: a ticket; an error for an HTTP response; or a close reason, with which the connection is
 * closed right after the upgrade.
 */
export type Admission =
  | { readonly ticket: Ticket }
  | { readonly error: unknown }
  | { readonly closeReason: CloseReason }

/**
 * One node of the hub: this process, with its clients, its delivery and its store. Transports admit and open clients
 * through the node; applications use the `Hub`.
 */
export class HubNode {
  readonly actions: Actions
  readonly cluster: Cluster
  readonly commands: Commands
  readonly events: Events
  readonly durableCursors: DurableCursors
  readonly memberships: Memberships
  readonly messageStatuses: MessageStatuses
  readonly publisher: Publisher
  readonly registry: Registry
  readonly #options: HubOptions
  readonly #clock: Clock
  readonly #acknowledgements: Acknowledgements
  readonly #catchUp: CatchUp
  readonly #flusher: Flusher
  readonly #heartbeat: Heartbeat
  readonly #ids: RisingClock
  readonly #redeliveries: Redeliveries
  readonly #sessions: Sessions
  readonly #startResolver: StartResolver
  #state: NodeState = 'starting'
  #messageHandler: ClientMessageHandler | null = null
  #drained: Promise<void> | null = null

  /** Composes the parts of the node, innermost first, and connects the parts with the engine. */
  constructor (options: HubOptions) {
    const { engine, log, queue, clock = systemClock } = options
    this.#options = options
    this.#clock = clock
    // Above the head, which survives a clock that was ahead: later connections have greater ids.
    this.#ids = new RisingClock(() => clock.wall(), engine.head)

    // Clients and delivery.
    this.events = new Events(log)
    this.#flusher = new Flusher(options.flushIntervalMs, clock, log)
    this.registry = new Registry(this.#flusher, engine)
    this.#heartbeat = new Heartbeat(options.heartbeat, clock, (client) => this.forget(client, CLOSE.abnormal))
    const frames = new FrameCache(clock, log)
    const fanOut = new FanOut(this.registry, this.#flusher, frames, queue)
    const pageLimit = {
      messages: Math.min(PAGE.messages, Math.ceil(queue.maxWrites / 2)),
      bytes: Math.min(PAGE.bytes, Math.ceil(queue.maxBytes / 2))
    }
    this.#catchUp = new CatchUp(engine, this.registry, frames, pageLimit, clock, log)

    // State that outlives connections.
    this.cluster = new Cluster(engine.bus)
    this.#sessions = new Sessions(engine, options.resumeWindowMs, clock, log)
    const cursorLimits = { maxEverything: options.maxMailboxes, rememberMs: REMEMBER_MS }
    this.durableCursors = new DurableCursors(engine, cursorLimits, clock, log)
    this.memberships = new Memberships(engine, this.cluster, REMEMBER_MS)
    this.#acknowledgements = new Acknowledgements(engine, this.durableCursors, this.#sessions)
    this.#redeliveries = new Redeliveries(this.durableCursors, options.maxRedeliveries, clock, log)
    this.#startResolver = new StartResolver(
      this.durableCursors, this.memberships, this.#redeliveries, this.registry, this.#sessions
    )

    // Publishing, and the commands of clients.
    this.messageStatuses = new MessageStatuses(engine, this.durableCursors, this.cluster, options.maxAges, clock)
    this.publisher = new Publisher(engine, this.messageStatuses, this.cluster, options, clock)
    this.actions = new Actions(options.actionTimeoutMs, log)
    this.commands = new Commands(
      this.actions, this.memberships, this.publisher, this.#acknowledgements, options.maxMessageBytes, log
    )

    const { registry } = this
    const responder = Cluster.responder({ engine, registry, fanOut, flusher: this.#flusher, sessions: this.#sessions })
    engine.bus.respond(responder)
    engine.follow((message) => fanOut.deliver(message), (after) => fanOut.interrupt(after))
  }

  /** State of the node. Clients can connect while the node is `ready`. */
  get state (): NodeState {
    return this.#state
  }

  /** Why the log cannot be written at the moment, in one sentence; null while the log works. */
  get problem (): string | null {
    return this.#options.engine.problem
  }

  /** Frames of present and past clients since the node started: handed to connections, and dropped. */
  get counters (): Readonly<{ delivered: number, dropped: number }> {
    return this.#flusher.counters
  }

  /** The application's handler for messages of raw clients; null without one. */
  get messageHandler (): ClientMessageHandler | null {
    return this.#messageHandler
  }

  /**
   * Sets the handler for messages of raw clients.
   *
   * @throws {Error} when a handler is set already.
   */
  setMessageHandler (handler: ClientMessageHandler): void {
    if (typeof handler !== 'function') {
      throw new Error(`hub.onMessage takes a function (client, data), not ${typeof handler}.`)
    }
    if (this.#messageHandler !== null) {
      throw new Error('hub.onMessage has a handler already; let that one decide what to do with a message.')
    }
    this.#messageHandler = handler
  }

  /** Starts admitting clients, and starts the heartbeat. Called when the application is ready. */
  start (): void {
    if (this.#state !== 'starting') return
    this.#state = 'ready'
    this.#heartbeat.start()
  }

  /**
   * Checks before the token check that a further client may connect.
   *
   * @param isReplacing Whether the client states that it replaces a connection of its own, which the limits count
   * already. `admit` checks this statement.
   * @throws {HubError} HUB_DRAINING unless the node is ready, HUB_FULL at `maxClients` connections.
   */
  assertCapacity (isReplacing: boolean): void {
    assertCapacity(this.#state, this.registry, isReplacing ? null : this.#options)
  }

  /**
   * Admits a client after the token check: finds the session that the client resumes, or the durable cursor with the
   * scope `everything` through which the client reads, and checks the limits. Calls `done` in the same turn of the
   * event loop as the check, so that no other client opens between the check and an `open` in `done`.
   *
   * The error is HUB_DRAINING, HUB_FULL, HUB_USER_FULL or HUB_STORE_FAILED. A client that cannot resume its connection
   * gets a close reason, because clients repeat the same claim after an HTTP error.
   */
  admit (identity: Identity, request: StartRequest, done: (admission: Admission) => void): void {
    const { claim, scope = 'inbox', device = '', after } = request
    const durableCursor = { user: identity.user, name: device, scope }
    const finish = (start: TicketStart): void => done(this.#toAdmission({ identity, durableCursor, start }))
    const fail = (error: unknown): void => done({ error })

    // Without a lookup there is no promise, and the client opens in the turn of its request.
    if (claim !== undefined) {
      this.#sessions.find(claim).then((session) => done(this.#toResumption(identity, claim, session)), fail)
    } else if (scope === 'everything') {
      this.#openCursor(durableCursor).then((since) => finish({ since }), fail)
    } else {
      finish({ after })
    }
  }

  /** Checks the limits for the client of a ticket. */
  #toAdmission (ticket: Ticket, isReplacing = false): Admission {
    try {
      assertCapacity(this.#state, this.registry, isReplacing ? null : this.#options, ticket.identity.user)
      return { ticket }
    } catch (error) {
      return { error }
    }
  }

  #toResumption (identity: Identity, claim: ResumeClaim, session: Session | null): Admission {
    const previous = this.registry.get(claim.clientId)
    const hasEnded = previous !== undefined && !this.#sessions.has(previous)
    if (session === null || hasEnded) return { closeReason: CLOSE.startOver }
    const isReplacing = previous !== undefined
    const durableCursor = { user: identity.user, name: session.device, scope: 'inbox' } as const
    return this.#toAdmission({ identity, durableCursor, start: { claim, session } }, isReplacing)
  }

  async #openCursor (cursor: DurableCursor): Promise<Offset> {
    // Checked first: a refused client must not create a cursor.
    assertCapacity(this.#state, this.registry, this.#options, cursor.user)
    return this.durableCursors.open(cursor)
  }

  /**
   * Opens an admitted client on a connection. Ends the connection that the client resumes, if it is still registered.
   * The greeting is the first frame; then the client catches up from its start position and becomes live.
   */
  open ({ identity, durableCursor, start }: Ticket, connection: Connection, protocol: Protocol): Client {
    const { messagesPerSecond, queue, log } = this.#options
    const claim = 'claim' in start ? start.claim : null
    const session = 'session' in start ? this.#takeOver(start.claim.clientId) ?? start.session : null
    const client = new Client({
      id: claim?.clientId ?? this.#nextId(),
      identity,
      protocol,
      connection,
      durableCursor,
      cursor: session === null ? this.#startCursor(start) : Cursor.resumed(session),
      calls: session?.calls ?? [],
      outbox: new Outbox(connection, this.#flusher, queue),
      messageRate: new RateLimit(messagesPerSecond),
      catchUp: this.#catchUp,
      sessions: this.#sessions,
      clock: this.#clock,
      log
    })
    client.greet(protocol.isResumable ? this.#sessions.open(client, claim?.token) : null)
    this.registry.add(client)
    this.#heartbeat.add(client)
    if ('after' in start && start.after !== undefined) this.acknowledge(client, start.after)
    this.#catchUp.begin(client, () => this.#startResolver.resolve(client))

    const fields = { clientId: client.id, user: identity.user, address: connection.address, protocol: protocol.name }
    log.info(fields, claim === null ? 'client connected' : 'client resumed')
    client.taskQueue.run(() => this.events.emit('open', client))
    return client
  }

  #startCursor (start: TicketStart): Cursor {
    if ('since' in start) return Cursor.since(start.since)
    return Cursor.at(this.#options.engine.head, 'after' in start ? start.after : undefined)
  }

  /**
   * Ends a connection that another connection resumes, if it is still registered: its socket may not have noticed the
   * loss. Returns the session of the ended connection, which is newer than the stored session.
   */
  #takeOver (id: ClientId): Session | undefined {
    const previous = this.registry.get(id)
    if (previous === undefined) return undefined
    const session = this.#sessions.of(previous)
    previous.terminate(CLOSE.replaced)
    this.forget(previous, CLOSE.replaced)
    return session
  }

  /** Draws the id of a new connection: greater than the id of every earlier connection. */
  #nextId (): ClientId {
    return `${this.#ids.next().toString(36)}-${randomUUID().slice(0, 8)}`
  }

  /**
   * Closes the connections at an address on all nodes. Resolves with their number when the disconnection is stored: a
   * close code that forbids a retry also ends the sessions of the client or the users at the address that have just
   * lost their connection.
   *
   * @throws {HubError} HUB_STORE_FAILED when the connections are closed, but could resume after a crash.
   */
  async disconnect (address: Address, { code, reason }: CloseReason): Promise<number> {
    const before = this.#nextId()
    const disconnected = await this.cluster.disconnect(address, code, reason)
    if (!mayResume(code)) await this.#sessions.endLost(address, before)
    return disconnected
  }

  /** Acknowledges every message up to an offset for a client. Only messages given to the client count. */
  acknowledge (client: Client, offset: Offset): void {
    this.#acknowledgements.acknowledge(client, offset)
  }

  /**
   * Records the failure of a connection, and emits `error`. Later failures of the same connection have no effect.
   *
   * @param closeCode Code with which the transport closes the connection by itself; null without one.
   */
  fail (client: Client, error: Error, closeCode: number | null = null): void {
    if (closeCode !== null && !mayResume(closeCode)) this.#sessions.end(client)
    if (client.fail(error)) client.taskQueue.run(() => this.events.emit('error', client, error))
  }

  /**
   * Removes a client whose connection has ended: stores its session, and emits `close`, after `error` for a connection
   * that ended without a Close frame. `drain` waits for the listeners of `close`. A second call has no effect.
   *
   * @param observed Code and reason that the transport observed. The hub's own close reason precedes these.
   */
  forget (client: Client, observed: CloseReason): void {
    this.#heartbeat.remove(client)
    if (!this.registry.remove(client)) return
    this.#sessions.save(client)
    this.#redeliveries.connectionEnded(client, observed.code)
    const { code, reason } = client.closeReason ?? observed
    if (observed.code === CLOSE.abnormal.code) this.fail(client, new Error(reason || CLOSE.abnormal.reason))
    this.#logEnd(client, code, reason)
    client.taskQueue.run(async () => {
      await this.events.emit('close', client, code, reason)
      this.registry.release(client)
    })
  }

  #logEnd (client: Client, code: number, reason: string): void {
    const { id: clientId, identity: { user }, failure, received, openedAt, outbox: { delivered, dropped } } = client
    const durationMs = this.#clock.wall() - openedAt
    const fields = { clientId, user, code, reason, received, delivered, dropped, durationMs }
    if (failure === null) this.#options.log.info(fields, 'client disconnected')
    else this.#options.log.warn({ ...fields, failure: failure.message }, 'client lost')
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
    const left = await drain(this.registry, this.#options.drain)
    if (left > 0) {
      this.#options.log.error({ clients: left }, 'some connections did not end, or their close listeners did not')
    }
    this.#heartbeat.stop()
    await settledWithin(Promise.all([this.#sessions.idle(), this.durableCursors.idle()]), IDLE_MS)
    this.#state = 'closed'
  }
}
