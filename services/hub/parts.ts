import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { CLOSE } from '../close-codes.ts'
import { reportFailure, warnSafely } from '../log.ts'
import type { ClientId, Group, Offset } from '../message.ts'
import { RisingClock } from '../rising-clock.ts'
import { Actions } from './actions.ts'
import { createAnswerer } from './answerer.ts'
import { CatchUp } from './catch-up.ts'
import type { Client, ClientHooks } from './client.ts'
import type { Membership } from './cursor.ts'
import { Commands } from './commands.ts'
import { Events } from './events.ts'
import { FanOut } from './fan-out.ts'
import { MAX_GROUPS, may, Memberships } from './groups.ts'
import { Heartbeat } from './heartbeat.ts'
import type { HubOptions } from './hub-options.ts'
import { Inboxes } from './inboxes.ts'
import { Publisher } from './publisher.ts'
import { Registry } from './registry.ts'
import { Sessions } from './sessions.ts'
import type { TurnsHooks } from './turns.ts'

/** A place in an inbox and the groups of a user are remembered for so long after the last change: a year. */
const REMEMBER_MS = 365 * 24 * 3_600_000

/** Time in which a disk should have taken what it was given. */
const IDLE_MS = 5000

/** How much a client that catches up is given at once: at most half of what its outbox holds. */
const PAGE = { messages: 256, bytes: 65_536 }

/** What a hub is put together from. */
export interface HubParts {
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
  readonly inboxes: Inboxes
  readonly memberships: Memberships
  readonly publisher: Publisher
  readonly registry: Registry
  readonly sessions: Sessions
  readonly turnsHooks: TurnsHooks<Client>
}

/** Puts the parts together and connects them with the engine. */
export function createParts (options: HubOptions, clock: Clock): HubParts {
  const { engine, log, queue } = options
  /** While nothing can be stored, that has been said once. */
  const reportUnlessKnown = (sentence: string) => (error: unknown): void => {
    if (engine.problem === null) reportFailure(log, error, {}, sentence)
  }
  const report = (sentence: string) => (error: unknown, client?: Client): void => reportFailure(log, error, client === undefined ? {} : { clientId: client.id }, sentence)

  const registry = new Registry({ onFirst: (address) => engine.follow(address), onLast: (address) => engine.unfollow(address) })
  const fanOut = new FanOut(registry, { limits: queue, flushIntervalMs: options.flushIntervalMs, now: () => clock.steady(), onFailure: report('messages could not be handed out') })
  const sessions = new Sessions({ state: engine.state, windowMs: options.resumeWindowMs, onFailure: reportUnlessKnown('a connection could not be made resumable') })
  const inboxes = new Inboxes({ engine, rememberMs: REMEMBER_MS, now: () => clock.wall(), onFailure: reportUnlessKnown('an acknowledgement could not be stored') })
  const memberships = new Memberships(engine, REMEMBER_MS)

  /** Finds out what a connection that has just been opened begins with. */
  const locate = async (client: Client): Promise<void> => {
    const { cursor, device, identity } = client
    const [acknowledged, { joined, left }] = await Promise.all([cursor.inboxSince ?? inboxes.acknowledged(identity.user, device), memberships.of(identity.user)])
    if (cursor.inboxSince === undefined) cursor.inboxSince = cursor.acknowledged = acknowledged
    // A connection that is resumed stays only where it still may be.
    for (const [group, { by }] of cursor.groups ?? []) {
      const isAllowed = by === 'hub' || identity.groups?.includes(group) === true || (by === 'client' && may('joinLeaveGroup', group, identity))
      if (!isAllowed) registry.leave(client, group)
    }
    for (const [group, leftAt] of left) if ((cursor.groups?.get(group)?.since ?? Infinity) <= leftAt) registry.leave(client, group)
    // It has the groups of its token already, or has left them.
    const named = cursor.isLocated ? [] : identity.groups ?? []
    const join = (group: Group, since: Offset, by: Membership['by']): void => {
      if ((cursor.groups?.size ?? 0) < MAX_GROUPS) registry.join(client, group, { since: Math.max(since, cursor.since), by })
    }
    for (const [group, since] of joined) join(group, since, 'hub')
    for (const group of named) join(group, 0, 'token')
    cursor.isLocated = true
    void sessions.save(client)
  }

  const catchUp = new CatchUp({
    engine,
    flusher: fanOut.flusher,
    page: { messages: Math.min(PAGE.messages, Math.ceil(queue.maxWrites / 2)), bytes: Math.min(PAGE.bytes, Math.ceil(queue.maxBytes / 2)) },
    locate,
    onGap: (client) => warnSafely(log, { clientId: client.id, user: client.identity.user }, 'messages for a client are gone from the log'),
    onFailure: report('the log could not be read for a client')
  })

  const actions = new Actions(options.actionTimeoutMs, (error, action, client) => reportFailure(log, error, { action, clientId: client.id }, 'an action failed'))
  const publisher = new Publisher(engine, options.idempotencyWindowMs, () => clock.wall())
  const acknowledge = (client: Client, offset: Offset): void => {
    const { cursor, device, identity: { user }, outbox } = client
    const given = client.isLive ? engine.head : cursor.position
    const upTo = Math.min(offset, given, outbox.lostInbox - 1)
    if (upTo <= cursor.acknowledged) return
    cursor.acknowledged = upTo
    inboxes.acknowledge(user, device, upTo)
    void sessions.save(client)
  }

  const ids = new RisingClock(() => clock.wall())

  engine.listen((message) => fanOut.deliver(message), createAnswerer({ registry, fanOut, head: () => engine.head, onChanged: (client) => sessions.save(client) }))
  engine.follow({ all: true })

  return {
    acknowledge,
    idle: async () => {
      const late = new AbortController()
      await Promise.race([Promise.all([sessions.idle(), inboxes.idle()]), sleep(IDLE_MS, undefined, { signal: late.signal }).catch(() => {})])
      late.abort()
    },
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
    memberships,
    publisher,
    registry,
    sessions,
    turnsHooks: {
      onFailure: report('a message handler failed'),
      onPressure: (isHigh, client) => client.setPaused(isHigh)
    }
  }
}
