import { randomUUID } from 'node:crypto'
import { RisingClock, type Clock } from '../lib/clock.ts'
import { settledWithin } from '../lib/timeout.ts'
import type { ClientId } from '../model/message.ts'
import { Events } from './clients/events.ts'
import { Heartbeat } from './clients/heartbeat.ts'
import { Registry } from './clients/registry.ts'
import { Actions } from './commands/actions.ts'
import { Commands } from './commands/commands.ts'
import { CatchUp } from './delivery/catch-up.ts'
import { FanOut } from './delivery/fan-out.ts'
import { createNodeResponder } from './node-responder.ts'
import type { HubOptions } from './options.ts'
import { Flusher } from './outbox/flusher.ts'
import { Publisher } from './publish/publisher.ts'
import { Acknowledgements } from './store/acknowledgements.ts'
import { EverythingCursors } from './store/everything-cursors.ts'
import { InboxCursors } from './store/inbox-cursors.ts'
import { Memberships } from './store/memberships.ts'
import { Sessions } from './store/sessions.ts'
import { StartResolver } from './store/start-position.ts'

/** Life of durable cursors and of the groups of a user after the last change, in ms: a year. */
const REMEMBER_MS = 365 * 24 * 3_600_000

/** Time limit in ms for queued writes to the engine's state when the node stops. */
const IDLE_MS = 5000

/** Page of a client that catches up, unless half of the outbox is smaller. */
const PAGE = { messages: 256, bytes: 65_536 }

/** One node of the hub: this process with its clients, its delivery and its store. */
export interface Node {
  readonly options: HubOptions
  readonly clock: Clock
  readonly acknowledgements: Acknowledgements
  readonly actions: Actions
  readonly catchUp: CatchUp
  readonly commands: Commands
  readonly events: Events
  readonly everythingCursors: EverythingCursors
  readonly fanOut: FanOut
  readonly heartbeat: Heartbeat
  readonly inboxCursors: InboxCursors
  readonly memberships: Memberships
  readonly publisher: Publisher
  readonly registry: Registry
  readonly sessions: Sessions
  /** Resolves when sessions and acknowledgements are stored, or after a time limit of 5 s. */
  idle (): Promise<void>
  /** Draws the id of a new connection: greater than the id of every earlier connection. */
  nextId (): ClientId
}

/** Creates a node: constructs its parts, innermost first, and connects the parts with the engine. */
export function createNode (options: HubOptions, clock: Clock): Node {
  const { engine, log, queue } = options
  // Clients and delivery.
  const registry = new Registry(engine)
  const flusher = new Flusher(options.flushIntervalMs, clock, log)
  const fanOut = new FanOut(registry, flusher, queue)

  // State that outlives connections.
  const sessions = new Sessions(engine, options.resumeWindowMs, log)
  const inboxCursors = new InboxCursors(engine, REMEMBER_MS, clock, log)
  const everythingCursors = new EverythingCursors(engine, options.maxMailboxes, REMEMBER_MS, clock)
  const memberships = new Memberships(engine, REMEMBER_MS)
  const acknowledgements = new Acknowledgements(engine, inboxCursors, sessions)
  const startResolver = new StartResolver(inboxCursors, everythingCursors, memberships, registry, sessions)

  const pageLimit = {
    messages: Math.min(PAGE.messages, Math.ceil(queue.maxWrites / 2)),
    bytes: Math.min(PAGE.bytes, Math.ceil(queue.maxBytes / 2))
  }
  const catchUp = new CatchUp(engine, flusher, pageLimit, (client) => startResolver.resolve(client), log)

  // Publishing and commands of clients.
  const publisher = new Publisher(engine, options.idempotencyWindowMs, clock)
  const actions = new Actions(options.actionTimeoutMs, log)
  const commands = new Commands(actions, memberships, publisher, acknowledgements, options.maxMessageBytes, log)

  const ids = new RisingClock(() => clock.wall())

  engine.listen((message) => fanOut.deliver(message), createNodeResponder(engine, registry, fanOut, sessions))
  engine.follow({ all: true })

  return {
    options,
    clock,
    acknowledgements,
    actions,
    catchUp,
    commands,
    events: new Events(log),
    everythingCursors,
    fanOut,
    heartbeat: new Heartbeat(options.heartbeat, clock),
    inboxCursors,
    memberships,
    publisher,
    registry,
    sessions,
    idle: async () => { await settledWithin(Promise.all([sessions.idle(), inboxCursors.idle()]), IDLE_MS) },
    nextId: () => `${ids.next().toString(36)}-${randomUUID().slice(0, 8)}`
  }
}
