import { randomUUID } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { CLOSE } from '../model/close-codes.ts'
import { reportFailure, warnSafely } from '../lib/log.ts'
import type { ClientId } from '../model/message.ts'
import { RisingClock } from '../lib/clock.ts'
import { settledWithin } from '../lib/timeout.ts'
import type { Client, ClientHooks } from './clients/client.ts'
import { Events } from './clients/events.ts'
import { Heartbeat } from './clients/heartbeat.ts'
import { Registry } from './clients/registry.ts'
import type { TaskQueueHooks } from './clients/task-queue.ts'
import { Actions } from './commands/actions.ts'
import { Commands } from './commands/commands.ts'
import { CatchUp } from './delivery/catch-up.ts'
import { FanOut } from './delivery/fan-out.ts'
import { createNodeResponder } from './node-responder.ts'
import type { HubOptions } from './options.ts'
import { Publisher } from './publish/publisher.ts'
import { Acknowledgements } from './store/acknowledgements.ts'
import { EverythingCursors } from './store/everything-cursors.ts'
import { InboxCursors } from './store/inbox-cursors.ts'
import { Memberships } from './store/memberships.ts'
import { Sessions } from './store/sessions.ts'
import { StartPositions } from './store/start-position.ts'

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
  readonly clientHooks: ClientHooks
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
  readonly taskQueueHooks: TaskQueueHooks<Client>
  /** Resolves when sessions and acknowledgements are stored, or after a time limit of 5 s. */
  idle (): Promise<void>
  /** Draws the id of a new connection: greater than the id of every earlier connection. */
  nextId (): ClientId
}

/** Creates a node: constructs its parts, innermost first, and connects the parts with the engine. */
export function createNode (options: HubOptions, clock: Clock): Node {
  const { engine, log, queue } = options
  const report = (sentence: string) => (error: unknown, client?: Client): void =>
    reportFailure(log, error, client === undefined ? {} : { clientId: client.id }, sentence)

  // Clients and delivery.
  const registry = new Registry({ onFirst: (address) => engine.follow(address), onLast: (address) => engine.unfollow(address) })
  const fanOut = new FanOut(registry, { limits: queue, flushIntervalMs: options.flushIntervalMs, now: () => clock.steady(), onFailure: report('messages could not be handed out') })

  // State that outlives connections.
  const sessions = new Sessions(engine, options.resumeWindowMs, log)
  const inboxCursors = new InboxCursors(engine, REMEMBER_MS, clock, log)
  const everythingCursors = new EverythingCursors(engine, options.maxMailboxes, REMEMBER_MS, clock)
  const memberships = new Memberships(engine, REMEMBER_MS)
  const acknowledgements = new Acknowledgements(engine, inboxCursors, sessions)
  const startPositions = new StartPositions(inboxCursors, everythingCursors, memberships, registry, sessions)

  const catchUp = new CatchUp({
    engine,
    flusher: fanOut.flusher,
    page: { messages: Math.min(PAGE.messages, Math.ceil(queue.maxWrites / 2)), bytes: Math.min(PAGE.bytes, Math.ceil(queue.maxBytes / 2)) },
    resolveStart: (client) => startPositions.resolve(client),
    onGap: (client) => warnSafely(log, { clientId: client.id, user: client.identity.user }, 'messages for a client are gone from the log'),
    onFailure: report('the log could not be read for a client')
  })

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
    clientHooks: {
      onBehind: (client) => catchUp.resume(client),
      onOverflow: (client) => {
        if (queue.policy === 'disconnect') return client.terminate(CLOSE.slowClient)
        warnSafely(log, { clientId: client.id, user: client.identity.user }, 'client is too slow, messages for it are dropped')
      }
    },
    commands,
    events: new Events(report('a listener of the hub failed')),
    everythingCursors,
    fanOut,
    heartbeat: new Heartbeat({ ...options.heartbeat, clock }),
    inboxCursors,
    memberships,
    publisher,
    registry,
    sessions,
    taskQueueHooks: {
      onFailure: report('a message handler failed'),
      onPressure: (isHigh, client) => client.setPaused(isHigh)
    },
    idle: async () => { await settledWithin(Promise.all([sessions.idle(), inboxCursors.idle()]), IDLE_MS) },
    nextId: () => `${ids.next().toString(36)}-${randomUUID().slice(0, 8)}`
  }
}
