import { randomUUID } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { CLOSE } from '../model/close-codes.ts'
import { reportFailure, warnSafely } from '../lib/log.ts'
import type { ClientId, Offset } from '../model/message.ts'
import { RisingClock } from '../lib/clock.ts'
import { settledWithin } from '../lib/timeout.ts'
import { Actions } from './commands/actions.ts'
import { createNodeResponder } from './node-responder.ts'
import { CatchUp } from './delivery/catch-up.ts'
import type { Client, ClientHooks } from './clients/client.ts'
import { Commands } from './commands/commands.ts'
import { Events } from './clients/events.ts'
import { FanOut } from './delivery/fan-out.ts'
import { Memberships } from './store/memberships.ts'
import { Heartbeat } from './clients/heartbeat.ts'
import type { HubOptions } from './options.ts'
import { InboxCursors } from './store/inbox-cursors.ts'
import { resolveStart } from './store/start-position.ts'
import { EverythingCursors } from './store/everything-cursors.ts'
import { Publisher } from './publish/publisher.ts'
import { Registry } from './clients/registry.ts'
import { Sessions } from './store/sessions.ts'
import type { TaskQueueHooks } from './clients/task-queue.ts'

/** A place in an inbox and the groups of a user are remembered for so long after the last change: a year. */
const REMEMBER_MS = 365 * 24 * 3_600_000

/** Time in which a disk should have taken what it was given. */
const IDLE_MS = 5000

/** How much a client that catches up is given at once: at most half of what its outbox holds. */
const PAGE = { messages: 256, bytes: 65_536 }

/** What a hub is put together from. */
export interface Node {
  acknowledge (client: Client, offset: Offset): void
  /** Resolves when the engine has what it is to remember of clients, or when that takes too long. */
  idle (): Promise<void>
  /** The id of a connection that comes now: greater than all before. */
  nextId (): ClientId
  readonly actions: Actions
  readonly commands: Commands
  readonly catchUp: CatchUp
  readonly clientHooks: ClientHooks
  readonly events: Events
  readonly fanOut: FanOut
  readonly heartbeat: Heartbeat
  readonly inboxes: InboxCursors
  readonly mailboxes: EverythingCursors
  readonly memberships: Memberships
  readonly publisher: Publisher
  readonly registry: Registry
  readonly sessions: Sessions
  readonly taskQueueHooks: TaskQueueHooks<Client>
}

/** Puts the parts together and connects them with the engine. */
export function createNode (options: HubOptions, clock: Clock): Node {
  const { engine, log, queue } = options
  /** While nothing can be stored, that has been said once. */
  const reportUnlessKnown = (sentence: string) => (error: unknown): void => {
    if (engine.problem === null) reportFailure(log, error, {}, sentence)
  }
  const report = (sentence: string) => (error: unknown, client?: Client): void => reportFailure(log, error, client === undefined ? {} : { clientId: client.id }, sentence)

  const registry = new Registry({ onFirst: (address) => engine.follow(address), onLast: (address) => engine.unfollow(address) })
  const fanOut = new FanOut(registry, { limits: queue, flushIntervalMs: options.flushIntervalMs, now: () => clock.steady(), onFailure: report('messages could not be handed out') })
  const sessions = new Sessions({ state: engine.state, windowMs: options.resumeWindowMs, onFailure: reportUnlessKnown('a connection could not be made resumable') })
  const inboxes = new InboxCursors({ engine, rememberMs: REMEMBER_MS, now: () => clock.wall(), onFailure: reportUnlessKnown('an acknowledgement could not be stored') })
  const mailboxes = new EverythingCursors({ engine, max: options.maxMailboxes, rememberMs: REMEMBER_MS, now: () => clock.wall() })
  const memberships = new Memberships(engine, REMEMBER_MS)

  const catchUp = new CatchUp({
    engine,
    flusher: fanOut.flusher,
    page: { messages: Math.min(PAGE.messages, Math.ceil(queue.maxWrites / 2)), bytes: Math.min(PAGE.bytes, Math.ceil(queue.maxBytes / 2)) },
    resolveStart: (client) => resolveStart(client, { inboxes, mailboxes, memberships, registry, sessions }),
    onGap: (client) => warnSafely(log, { clientId: client.id, user: client.identity.user }, 'messages for a client are gone from the log'),
    onFailure: report('the log could not be read for a client')
  })

  const actions = new Actions(options.actionTimeoutMs, (error, action, client) => reportFailure(log, error, { action, clientId: client.id }, 'an action failed'))
  const publisher = new Publisher(engine, options.idempotencyWindowMs, () => clock.wall())
  const acknowledge = (client: Client, offset: Offset): void => {
    const { cursor, device, identity: { user }, outbox } = client
    const given = client.isLive ? engine.head : cursor.position
    const upTo = Math.min(offset, given, outbox.firstLostOffset - 1)
    if (upTo <= cursor.acknowledged) return
    cursor.acknowledged = upTo
    inboxes.acknowledge(user, device, upTo)
    void sessions.save(client)
  }

  const ids = new RisingClock(() => clock.wall())

  engine.listen((message) => fanOut.deliver(message), createNodeResponder({ registry, fanOut, head: () => engine.head, onChanged: (client) => sessions.save(client) }))
  engine.follow({ all: true })

  return {
    acknowledge,
    idle: async () => { await settledWithin(Promise.all([sessions.idle(), inboxes.idle()]), IDLE_MS) },
    nextId: () => `${ids.next().toString(36)}-${randomUUID().slice(0, 8)}`,
    actions,
    catchUp,
    clientHooks: {
      onBehind: (client) => catchUp.resume(client),
      onOverflow: (client) => {
        if (queue.policy === 'disconnect') return client.terminate(CLOSE.slowClient)
        warnSafely(log, { clientId: client.id, user: client.identity.user }, 'client is too slow, messages for it are dropped')
      }
    },
    commands: new Commands({ actions, memberships, publisher, acknowledge, maxMessageBytes: options.maxMessageBytes, onFailure: report('a command of a client failed') }),
    events: new Events(report('a listener of the hub failed')),
    fanOut,
    heartbeat: new Heartbeat({ ...options.heartbeat, clock }),
    inboxes,
    mailboxes,
    memberships,
    publisher,
    registry,
    sessions,
    taskQueueHooks: {
      onFailure: report('a message handler failed'),
      onPressure: (isHigh, client) => client.setPaused(isHigh)
    }
  }
}
