import type { Clock } from '../../lib/clock.ts'
import { CLOSE } from '../../model/close-codes.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import { Frame } from '../outbox/batch.ts'
import type { Client } from './client.ts'

/** Periods and deadlines of the heartbeat, in ms. */
export interface HeartbeatOptions {
  /** Time between two pings to a client. */
  readonly pingPeriodMs: number
  /**
   * Shortest ping period among the protocols with a period of their own, to which the timer adapts; undefined without
   * any.
   */
  readonly shortestPingMs?: number | undefined
  /**
   * Ping periods that may pass without a sign of life. The next ping that is due after more periods ends the
   * connection.
   */
  readonly maxUnanswered: number
  /** Time without a received byte after which the connection is terminated; 0 for no limit. */
  readonly readDeadlineMs: number
  /** Time after which the connection is terminated when the socket has not taken the written bytes. */
  readonly writeDeadlineMs: number
}

const MIN_SLOT_MS = 10
const MAX_SLOT_MS = 1000
const MAX_SLOTS = 1024
/**
 * Slots per shortest period; a check can be late by one slot. With more slots, each pong would wake the process on its
 * own, which costs more than the ping.
 */
const SLOTS_PER_PERIOD = 32
/** Multiples of the golden ratio, modulo 1, fill an interval evenly for any number of clients. */
const GOLDEN_RATIO = 0.618034

/** State of one client in the heartbeat. Times are in ms on the steady clock. */
interface Liveness {
  readonly client: Client
  /** Time of the last sign of life. */
  lastSeenAt: number
  /** Bytes received from the peer at `lastSeenAt`; undefined where the peer sends no bytes. */
  bytesRead: number | undefined
  /** Time of the last ping. */
  pingedAt: number
  /** Pings sent since the last sign of life. */
  unansweredPings: number
  /** Slot of the timer wheel that holds the client. */
  slot: Set<Liveness>
}

/**
 * Pings all clients with one timer, and ends connections that are lost or stuck, or whose token has expired. All
 * received bytes are a sign of life, so a message counts as much as a pong. A client whose connection has ended without
 * an event is forgotten at its next check.
 *
 * A timer wheel: each client is in the slot of its next check, and each tick checks only the clients in the slots that
 * have become due. Thousands of clients are therefore neither checked nor pinged at the same moment.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #clock: Clock
  readonly #forget: (client: Client) => void
  readonly #slotMs: number
  readonly #slots: Array<Set<Liveness>>
  readonly #clients = new Map<Client, Liveness>()
  readonly #pings = new Map<Protocol, Frame>()
  #timer: NodeJS.Timeout | null = null
  /** Number of the last checked slot, counted from the origin of the steady clock. */
  #checkedSlot: number
  #added = 0

  /** @param forget Removes a client whose connection has ended. */
  constructor (options: HeartbeatOptions, clock: Clock, forget: (client: Client) => void) {
    const { pingPeriodMs, shortestPingMs = pingPeriodMs, writeDeadlineMs } = options
    const readDeadlineMs = options.readDeadlineMs === 0 ? Infinity : options.readDeadlineMs
    const shortest = Math.min(pingPeriodMs, shortestPingMs, writeDeadlineMs, readDeadlineMs)
    this.#options = options
    this.#clock = clock
    this.#forget = forget
    this.#slotMs = Math.min(MAX_SLOT_MS, Math.max(MIN_SLOT_MS, shortest / SLOTS_PER_PERIOD))
    const slots = Math.min(MAX_SLOTS, Math.ceil(pingPeriodMs / this.#slotMs) + 2)
    this.#slots = Array.from({ length: slots }, () => new Set())
    this.#checkedSlot = Math.floor(clock.steady() / this.#slotMs)
  }

  /** Starts the timer. */
  start (): void {
    this.#timer ??= setInterval(() => this.tick(), this.#slotMs).unref()
  }

  /** Stops the timer. */
  stop (): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /**
   * Adds a client. The first ping is due in the second half of a period, at a time that differs from client to client,
   * so that clients that connected together are not pinged together. A protocol with a period of its own gets the first
   * ping after exactly that period.
   */
  add (client: Client): void {
    const [now, wall] = [this.#clock.steady(), this.#clock.wall()]
    const { bytesRead, protocol: { pingPeriodMs: own } } = client
    const phase = (this.#added++ * GOLDEN_RATIO) % 1
    const pingedAt = own === undefined ? now - phase * this.#options.pingPeriodMs / 2 : now
    const slot = this.#slot(this.#checkedSlot)
    const liveness = { client, lastSeenAt: now, bytesRead, pingedAt, unansweredPings: 0, slot }
    this.#clients.set(client, liveness)
    this.#schedule(liveness, now, wall)
  }

  /** Removes a client. */
  remove (client: Client): void {
    const liveness = this.#clients.get(client)
    if (liveness === undefined) return
    liveness.slot.delete(liveness)
    this.#clients.delete(client)
  }

  /** Checks the clients in all slots that have become due since the last tick. */
  tick (): void {
    const [now, wall] = [this.#clock.steady(), this.#clock.wall()]
    const current = Math.floor(now / this.#slotMs)
    // After a long standstill of the process, one check of each slot is enough.
    this.#checkedSlot = Math.max(this.#checkedSlot, current - this.#slots.length)
    while (this.#checkedSlot < current) {
      this.#checkedSlot++
      const slot = this.#slot(this.#checkedSlot)
      for (const liveness of slot) {
        slot.delete(liveness)
        try {
          this.#check(liveness, now, wall)
        } finally {
          // The check may have removed the client.
          if (this.#clients.has(liveness.client)) this.#schedule(liveness, now, wall)
        }
      }
    }
  }

  #slot (number: number): Set<Liveness> {
    const slot = this.#slots[number % this.#slots.length]
    if (slot === undefined) throw new Error('The timer wheel of the heartbeat has no slots.')
    return slot
  }

  /** Puts a client into the slot of its next check. */
  #schedule (liveness: Liveness, now: number, wall: number): void {
    const earliest = this.#checkedSlot + 1
    const latest = this.#checkedSlot + this.#slots.length - 1
    const due = Math.ceil(this.#dueAt(liveness, now, wall) / this.#slotMs)
    const slot = this.#slot(Math.min(Math.max(due, earliest), latest))
    slot.add(liveness)
    liveness.slot = slot
  }

  #dueAt ({ client, lastSeenAt, pingedAt }: Liveness, now: number, wall: number): number {
    const { protocol, outbox, identity: { expiresAt } } = client
    const { readDeadlineMs, writeDeadlineMs } = this.#options
    return Math.min(
      pingedAt + this.#periodOf(protocol),
      readDeadlineMs === 0 ? Infinity : lastSeenAt + readDeadlineMs,
      // A check once per write deadline is cheap, and a write that is stuck already is checked at its deadline.
      now - outbox.blockedMs(now) + writeDeadlineMs,
      expiresAt === undefined ? Infinity : now + expiresAt - wall
    )
  }

  #check (liveness: Liveness, now: number, wall: number): void {
    const { client } = liveness
    if (client.isEnded) return this.#forget(client)
    const { pingPeriodMs, maxUnanswered, readDeadlineMs, writeDeadlineMs } = this.#options
    const { bytesRead, protocol, identity: { expiresAt } } = client
    const blockedMs = client.outbox.blockedMs(now)
    if (blockedMs >= writeDeadlineMs) return client.terminate(CLOSE.slowClient)
    if (!client.isOpen) return
    if (expiresAt !== undefined && expiresAt <= wall) {
      return client.close(protocol.isResumable ? CLOSE.expiredSession : CLOSE.tokenExpired)
    }

    // Exempt from proving life: a connection on which the peer sends no bytes; a paused client, whose messages the hub
    // has not read yet; and a client with a full socket, which would get the ping late, and has the write deadline.
    const mustProveLife = bytesRead !== undefined && !client.isPaused && blockedMs === 0
    if (bytesRead !== liveness.bytesRead || !mustProveLife) {
      liveness.bytesRead = bytesRead
      liveness.lastSeenAt = now
      liveness.unansweredPings = 0
    }
    if (mustProveLife && readDeadlineMs > 0 && now - liveness.lastSeenAt >= readDeadlineMs) {
      return client.terminate(CLOSE.heartbeatLost)
    }

    const period = this.#periodOf(protocol)
    if (now - liveness.pingedAt < period) return
    // Measured in the hub's ping periods, so that a protocol with shorter periods leaves the client as much time to
    // answer.
    if (mustProveLife && liveness.unansweredPings * period >= (maxUnanswered + 1) * pingPeriodMs) {
      return client.terminate(CLOSE.heartbeatLost)
    }
    // A whole number of periods, so that a late check does not shift the client's pings.
    liveness.pingedAt += Math.floor((now - liveness.pingedAt) / period) * period
    if (blockedMs > 0) return
    liveness.unansweredPings++
    if (!client.reprobe()) client.ping(this.#ping(protocol))
  }

  /** Returns the ping period of a protocol; at most half of the read deadline when the period is the protocol's own. */
  #periodOf ({ pingPeriodMs: own }: Protocol): number {
    const { pingPeriodMs, readDeadlineMs } = this.#options
    if (own === undefined) return pingPeriodMs
    return readDeadlineMs === 0 ? own : Math.min(own, readDeadlineMs / 2)
  }

  /** Returns the ping of a protocol, one frame for all clients. */
  #ping (protocol: Protocol): Frame {
    const cached = this.#pings.get(protocol)
    if (cached !== undefined) return cached
    const frame = new Frame(protocol.ping)
    this.#pings.set(protocol, frame)
    return frame
  }
}
