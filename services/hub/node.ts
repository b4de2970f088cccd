import { randomUUID } from 'node:crypto'
import { RisingClock, systemClock, type Clock } from '../lib/clock.ts'
import { RateLimit } from '../lib/rate-limit.ts'
import { settledWithin } from '../lib/timeout.ts'
import type { CloseReason } from '../model/client.ts'
import { CLOSE } from '../model/close-codes.ts'
import type { CursorScope, DurableCursor } from '../model/durable-cursor.ts'
import type { Identity } from '../model/identity.ts'
import type { Offset, UserId } from '../model/message.ts'
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
import { MessageStatuses, type ProgressQuery, type UserProgress } from './publish/message-status.ts'
import { Publisher, type DeliveryCounts } from './publish/publisher.ts'
import { Acknowledgements } from './store/acknowledgements.ts'
import { DurableCursors } from './store/durable-cursors.ts'
import { Memberships } from './store/memberships.ts'
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

/** The part of the log that a connecting client asks for. Without any of these, the client starts at the head. */
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

/** The right to open one client: the result of an admission, consumed by `open`. */
export interface Ticket {
  readonly identity: Identity
  readonly durableCursor: DurableCursor
  /** See `StartRequest`. */
  readonly after?: Offset
  /** Offset of a durable cursor with the scope `everything`. */
  readonly since?: Offset
  /** The claim and the session of the connection that the client resumes. */
  readonly resumed?: { readonly claim: ResumeClaim, readonly session: Session }
}

/** The result of an admission: a ticket, or the code with which the connection is closed right after the upgrade. */
export type Admission = { readonly ticket: Ticket } | { readonly refusal: CloseReason }

/** Receives the result of an admission, or the error for an HTTP response. */
export type AdmissionCallback = (error: Error | null, admission?: Admission) => void

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
    this.#ids = new RisingClock(() => clock.wall())

    // Clients and delivery.
    this.events = new Events(log)
    this.#flusher = new Flusher(options.flushIntervalMs, clock, log)
    this.registry = new Registry(engine, this.#flusher)
    this.#heartbeat = new Heartbeat(options.heartbeat, clock)
    const frames = new FrameCache()
    const fanOut = new FanOut(this.registry, this.#flusher, frames, queue)
    const pageLimit = {
      messages: Math.min(PAGE.messages, Math.ceil(queue.maxWrites / 2)),
      bytes: Math.min(PAGE.bytes, Math.ceil(queue.maxBytes / 2))
    }
    this.#catchUp = new CatchUp(engine, frames, pageLimit, log)

    // State that outlives connections.
    this.cluster = new Cluster(engine)
    this.#sessions = new Sessions(engine, options.resumeWindowMs, log)
    const cursorLimits = { maxEverything: options.maxMailboxes, rememberMs: REMEMBER_MS }
    this.durableCursors = new DurableCursors(engine, cursorLimits, clock, log)
    this.memberships = new Memberships(engine, (change) => this.cluster.changeMembership(change), REMEMBER_MS)
    this.#acknowledgements = new Acknowledgements(engine, this.durableCursors, this.#sessions)
    this.#startResolver = new StartResolver(this.durableCursors, this.memberships, this.registry, this.#sessions)

    // Publishing, and the commands of clients.
    const progressOf = (query: ProgressQuery): Promise<UserProgress[]> => this.cluster.progress(query)
    this.messageStatuses = new MessageStatuses(engine, this.durableCursors, progressOf, clock)
    const countDelivery = (offset: Offset): Promise<DeliveryCounts> => this.cluster.delivery(offset)
    this.publisher = new Publisher(engine, this.messageStatuses, countDelivery, options, clock)
    this.actions = new Actions(options.actionTimeoutMs, log)
    this.commands = new Commands(this.actions, this.memberships, this.publisher, this.#acknowledgements, log)

    const { registry } = this
    const responder = Cluster.responder({ engine, registry, fanOut, flusher: this.#flusher, sessions: this.#sessions })
    engine.listen((message) => fanOut.deliver(message), responder)
    engine.follow({ all: true })
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
   * Admits a client whose token has been checked: finds the part of the log that the client asks for, and checks the
   * limits. Calls `done` in the same turn of the event loop as the last check, so that no other client opens between
   * the check and an `open` in `done`.
   *
   * The error is HUB_DRAINING, HUB_FULL, HUB_USER_FULL or HUB_STORE_FAILED. A client that cannot resume its connection
   * gets a refusal in place of a ticket: after an HTTP error, clients repeat the same claim.
   */
  admit (identity: Identity, start: StartRequest, done: AdmissionCallback): void {
    const { claim, scope = 'inbox', device = '', after } = start
    const durableCursor = { user: identity.user, name: device, scope }
    const finish = (found: Partial<Ticket>): void => {
      const isReplacing = found.resumed !== undefined && this.registry.get(found.resumed.claim.clientId) !== undefined
      try {
        this.#assertAdmissible(identity.user, isReplacing)
      } catch (error) {
        return done(error as Error)
      }
      if (claim !== undefined && found.resumed === undefined) return done(null, { refusal: CLOSE.startOver })
      done(null, { ticket: { identity, durableCursor, ...(after === undefined ? {} : { after }), ...found } })
    }

    // Without a lookup there is no promise, and the client opens in the turn of its request.
    if (claim === undefined && scope === 'inbox') return finish({})
    const found = claim === undefined ? this.#openCursor(durableCursor) : this.#findSession(claim)
    found.then(finish, (error: unknown) => done(error as Error))
  }

  async #findSession (claim: ResumeClaim): Promise<Partial<Ticket>> {
    const session = await this.#sessions.find(claim)
    if (session === null) return {}
    return { resumed: { claim, session }, durableCursor: { user: claim.user, name: session.device, scope: 'inbox' } }
  }

  async #openCursor (cursor: DurableCursor): Promise<Partial<Ticket>> {
    // Checked first: a refused client must not create a cursor.
    this.#assertAdmissible(cursor.user, false)
    return { since: await this.durableCursors.open(cursor) }
  }

  #assertAdmissible (user: UserId, isReplacing: boolean): void {
    assertCapacity(this.#state, this.registry, isReplacing ? null : this.#options, user)
  }

  /**
   * Opens an admitted client on a connection. Ends the connection that the client resumes, if it is still registered.
   * The greeting is the first frame; then the client catches up from its start position and becomes live.
   */
  open (ticket: Ticket, connection: Connection, protocol: Protocol): Client {
    const { identity, durableCursor, after, since, resumed } = ticket
    const { messagesPerSecond, queue, engine, log } = this.#options
    const { session, ended } = resumed === undefined ? {} : this.#takeOver(resumed)
    const client = new Client({
      id: resumed?.claim.clientId ?? this.#nextId(),
      identity,
      protocol,
      connection,
      durableCursor,
      cursor: startCursor(engine.head, after, since, session),
      outbox: new Outbox(connection, this.#flusher, queue),
      messageRate: new RateLimit(messagesPerSecond),
      catchUp: this.#catchUp,
      clock: this.#clock,
      log
    })
    client.greet(protocol.isResumable ? this.#sessions.open(client, resumed?.claim.token) : null)
    this.registry.add(client)
    this.#heartbeat.add(client)
    if (after !== undefined) this.acknowledge(client, after)
    this.#catchUp.begin(client, this.#startResolver.resolve(client))

    const { address } = connection
    const sentence = session === undefined ? 'client connected' : 'client resumed'
    log.info({ clientId: client.id, user: identity.user, address, protocol: protocol.name }, sentence)
    client.taskQueue.run(async () => {
      // The two connections have the same id: `close` of the earlier one precedes `open` of this one.
      if (ended !== undefined) await ended
      await this.events.emit('open', client)
    })
    return client
  }

  /**
   * Ends the connection of a session that another connection resumes: its socket may not have noticed the loss. Returns
   * the newest session: that of the connection, or the stored session where the connection has ended already. `ended`
   * resolves when the listeners of `close` have run.
   */
  #takeOver ({ claim, session }: NonNullable<Ticket['resumed']>): { session: Session, ended?: Promise<void> } {
    const previous = this.registry.get(claim.clientId)
    if (previous === undefined) return { session }
    const newest = this.#sessions.of(previous) ?? session
    previous.terminate(CLOSE.replaced)
    return { session: newest, ended: this.#end(previous, CLOSE.replaced) }
  }

  /** Draws the id of a new connection: greater than the id of every earlier connection. */
  #nextId (): string {
    return `${this.#ids.next().toString(36)}-${randomUUID().slice(0, 8)}`
  }

  /** Acknowledges every message up to an offset for a client. Only messages given to the client count. */
  acknowledge (client: Client, offset: Offset): void {
    this.#acknowledgements.acknowledge(client, offset)
  }

  /** Records the failure of a connection, and emits `error`. Later failures of the same connection have no effect. */
  fail (client: Client, error: Error): void {
    if (client.fail(error)) client.taskQueue.run(() => this.events.emit('error', client, error))
  }

  /**
   * Removes a client whose connection has ended: stores its session, and emits `close`, after `error` for a connection
   * that ended without a Close frame. `drain` waits for the listeners of `close`. Returns false when the client was
   * removed before.
   *
   * @param observed Code and reason that the transport observed. The hub's own close reason precedes these.
   */
  forget (client: Client, observed: CloseReason): boolean {
    if (!this.registry.has(client)) return false
    void this.#end(client, observed)
    return true
  }

  /** Resolves when the listeners of `close` have run. */
  #end (client: Client, observed: CloseReason): Promise<void> {
    this.#heartbeat.remove(client)
    this.registry.remove(client)
    void this.#sessions.save(client)
    const { code, reason } = client.closeReason ?? observed
    if (observed.code === CLOSE.abnormal.code) this.fail(client, new Error(reason || CLOSE.abnormal.reason))
    this.#logEnd(client, code, reason)
    return new Promise((resolve) => {
      client.taskQueue.run(async () => {
        await this.events.emit('close', client, code, reason)
        this.registry.release(client)
        resolve()
      })
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

function startCursor (head: Offset, after?: Offset, since?: Offset, session?: Session): Cursor {
  if (session !== undefined) return Cursor.resumed(session)
  return since === undefined ? Cursor.at(head, after) : Cursor.since(since)
}
