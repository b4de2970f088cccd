import { randomUUID } from 'node:crypto'
import type { TSchema } from '@sinclair/typebox'
import { CLOSE, fitReason, isSendableCode } from '../close-codes.ts'
import { systemClock, type Clock } from '../clock.ts'
import { DEFAULT_PAGE, type ClientPage, type ClientQuery } from '../client-info.ts'
import type { Engine } from '../engine/engine.ts'
import { HubError } from '../errors.ts'
import type { Identity } from '../identity.ts'
import type { Address, ClientId, Receipt, SendOptions, UserId } from '../message.ts'
import { reportFailure, warnSafely, type Log } from '../log.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { RateLimit } from '../rate-limit.ts'
import { RisingClock } from '../rising-clock.ts'
import { admit, type AdmissionLimits, type HubState } from './admission.ts'
import { createAnswerer } from './answerer.ts'
import { Actions, type ActionHandler } from './actions.ts'
import { Client, type Ending } from './client.ts'
import type { Connection } from './connection.ts'
import { assertAddress, toDraft } from './draft.ts'
import { drain, type DrainOptions } from './drain.ts'
import { Events, type HubEvents, type Listener } from './events.ts'
import { FanOut } from './fan-out.ts'
import { Heartbeat, type HeartbeatOptions } from './heartbeat.ts'
import { Outbox, type OutboxLimits } from './outbox.ts'
import { toReceipt } from './receipt.ts'
import { Registry } from './registry.ts'
import type { TurnsHooks } from './turns.ts'

/** Limits, clocks and collaborators of a hub. */
export interface HubOptions extends AdmissionLimits {
  readonly engine: Engine
  readonly log: Log
  readonly heartbeat: Omit<HeartbeatOptions, 'clock'>
  readonly drain: DrainOptions
  readonly queue: OutboxLimits
  /** How long to collect frames before they are written, in ms; 0: until the end of the tick. */
  readonly flushIntervalMs: number
  /** Largest payload of a message in bytes, in either direction. */
  readonly maxMessageBytes: number
  /** Messages per second that one client may send; 0 for no limit. */
  readonly messagesPerSecond: number
  readonly clock?: Clock
}

/** Takes over what raw clients say. */
export type ClientMessageHandler = (client: Client, data: string | Buffer) => unknown

/** Who is here, and the verbs. The only class of the hub that the rest of a program calls. */
export class Hub {
  /** What clients may call by name. */
  readonly actions: Actions
  readonly #options: HubOptions
  readonly #events: Events
  readonly #registry: Registry
  readonly #fanOut: FanOut
  readonly #heartbeat: Heartbeat
  readonly #ids: RisingClock
  readonly #clock: Clock
  #state: HubState = 'starting'
  #messageHandler: ClientMessageHandler | null = null
  #drained: Promise<void> | null = null

  constructor (options: HubOptions) {
    const { engine, log } = options
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#ids = new RisingClock(() => this.#clock.wall())
    this.#events = new Events((error, client) => reportFailure(log, error, { clientId: client.id }, 'a listener of the hub failed'))
    this.actions = new Actions((error, action, client) => reportFailure(log, error, { action, clientId: client.id }, 'an action failed'))
    this.#registry = new Registry({ onFirst: (address) => engine.follow(address), onLast: (address) => engine.unfollow(address) })
    const onFailure = (error: unknown): void => reportFailure(log, error, {}, 'messages could not be handed out')
    this.#fanOut = new FanOut(this.#registry, { limits: options.queue, flushIntervalMs: options.flushIntervalMs, now: () => this.#clock.steady(), onFailure })
    this.#heartbeat = new Heartbeat({ ...options.heartbeat, clock: this.#clock })
    engine.listen((message) => this.#fanOut.deliver(message), createAnswerer(this.#registry, this.#fanOut))
    engine.follow({ all: true })
  }

  /** Whether the hub takes clients. */
  get state (): HubState {
    return this.#state
  }

  /** Connections of this node. */
  get size (): number {
    return this.#registry.size
  }

  /** Frames of all clients of this node since it started, those that are gone included: handed to connections, and lost because a client was over its limit. */
  get counters (): Readonly<{ delivered: number, dropped: number }> {
    return this.#fanOut.flusher.counters
  }

  /** A live connection of this node. */
  client (id: ClientId): Client | undefined {
    return this.#registry.get(id)
  }

  /** Says something to everyone. See `send`. */
  broadcast (message: unknown, options?: SendOptions): Promise<Receipt> {
    return this.send({ all: true }, message, options)
  }

  /**
   * Says something to a user on all devices, to a group, to one client or to everyone. A string goes out as a text frame
   * as it is, a Uint8Array as a binary frame, everything else as its JSON. Several addresses are several messages, each
   * with its own receipt. Rejects with a HubError: HUB_ADDRESS_INVALID, HUB_REQUEST_INVALID, HUB_MESSAGE_TOO_LARGE,
   * HUB_DRAINING.
   */
  send (address: Address, message: unknown, options?: SendOptions): Promise<Receipt>
  send (addresses: readonly Address[], message: unknown, options?: SendOptions): Promise<Receipt[]>
  async send (to: Address | readonly Address[], message: unknown, options: SendOptions = {}): Promise<Receipt | Receipt[]> {
    if (isList(to)) return Promise.all(to.map((address) => this.send(address, message, options)))
    const { engine, maxMessageBytes } = this.#options
    const appended = await engine.append(toDraft(to, message, options, maxMessageBytes))
    const { answers } = await engine.ask('delivery', { offset: appended.offset })
    return toReceipt(appended, answers)
  }

  /** Ends connections in order, on every node. Answers how many. `code` defaults to 4000; codes that may not be sent throw. */
  async disconnect (address: Address, { code, reason }: Partial<Ending> = {}): Promise<number> {
    assertAddress(address)
    const ending = { code: code ?? CLOSE.disconnected.code, reason: fitReason(reason ?? CLOSE.disconnected.reason) }
    if (!isSendableCode(ending.code)) {
      throw new HubError('HUB_REQUEST_INVALID', `${ending.code} is no close code that may be sent; use 1000, or one from 3000 to 4999 (RFC 6455 section 7.4.2).`)
    }
    const { answers } = await this.#options.engine.ask('disconnect', { address, ...ending })
    return sum(answers.map((answer) => answer.disconnected))
  }

  /** Lists connections of all nodes, oldest first. */
  async clients ({ limit = DEFAULT_PAGE, ...query }: ClientQuery = {}): Promise<ClientPage> {
    // One more than asked for tells whether there is a next page.
    const { answers } = await this.#options.engine.ask('clients', { ...query, limit: limit + 1 })
    const found = answers.flatMap((answer) => answer.clients).sort((a, b) => a.id < b.id ? -1 : 1)
    const clients = found.slice(0, limit)
    const next = found.length > limit ? clients.at(-1)?.id ?? null : null
    return { total: sum(answers.map(({ total }) => total)), dropped: sum(answers.map(({ dropped }) => dropped)), clients, next }
  }

  on<E extends keyof HubEvents> (event: E, listener: Listener<E>): this {
    this.#events.on(event, listener)
    return this
  }

  off<E extends keyof HubEvents> (event: E, listener: Listener<E>): this {
    this.#events.off(event, listener)
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
  action<S extends TSchema> (name: string, schema: S, handler: ActionHandler<S>): this {
    this.actions.add(name, schema, handler)
    return this
  }

  /** Throws a HubError when no further client may come in: before the token check without a user, after it with one. */
  admit (user?: UserId): void {
    admit(this.#state, this.#registry, this.#options, user)
  }

  /** Takes a connection in: greeted before anything else reaches it. */
  open (connection: Connection, identity: Identity, protocol: Protocol): Client {
    const client = new Client({
      id: `${this.#ids.next().toString(36)}-${randomUUID().slice(0, 8)}`,
      identity,
      protocol,
      connection,
      outbox: new Outbox(connection, this.#fanOut.flusher, this.#options.queue),
      turnsHooks: this.#turnsHooks,
      messageRate: new RateLimit(this.#options.messagesPerSecond),
      onOverflow: this.#onOverflow,
      clock: this.#clock
    })
    // What was said to everyone before it came is not for it.
    this.#fanOut.flusher.runDeferred()
    client.greet()
    this.#registry.add(client)
    this.#heartbeat.add(client)
    return client
  }

  /** Forgets a connection that has ended; answers false when it was forgotten before. */
  forget (client: Client): boolean {
    this.#heartbeat.remove(client)
    return this.#registry.remove(client)
  }

  /** The application knows that the connection has ended; a drain need not wait for it any longer. */
  release (client: Client): void {
    this.#registry.release(client)
  }

  /** Tells the listeners. Resolves when they are done; never rejects. */
  emit<E extends keyof HubEvents> (event: E, ...args: HubEvents[E]): Promise<void> {
    return this.#events.emit(event, ...args)
  }

  /** From now on clients are welcome. */
  start (): void {
    if (this.#state !== 'starting') return
    this.#state = 'ready'
    this.#heartbeat.start()
  }

  /** Takes no more clients and sends those that are here away in paced batches, with 1012. May be called twice. */
  drain (): Promise<void> {
    this.#drained ??= this.#drain()
    return this.#drained
  }

  async #drain (): Promise<void> {
    this.#state = 'draining'
    const left = await drain(this.#registry, this.#options.drain)
    if (left > 0) this.#options.log.error({ clients: left }, 'some connections did not end, or their close listeners did not')
    this.#heartbeat.stop()
    this.#state = 'closed'
  }

  readonly #turnsHooks: TurnsHooks<Client> = {
    onFailure: (error, client) => reportFailure(this.#options.log, error, { clientId: client.id }, 'a message handler failed'),
    onPressure: (isHigh, client) => client.setPaused(isHigh)
  }

  readonly #onOverflow = (client: Client): void => {
    if (this.#options.queue.policy === 'disconnect') return client.terminate(CLOSE.slowClient)
    warnSafely(this.#options.log, { clientId: client.id, user: client.identity.user }, 'client is too slow, messages for it are dropped')
  }
}

function isList (to: Address | readonly Address[]): to is readonly Address[] {
  return Array.isArray(to)
}

function sum (numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
