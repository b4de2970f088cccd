import type { Clock } from '../../lib/clock.ts'
import { CLOSE } from '../../model/close-codes.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import { Frame } from '../outbox/batch.ts'
import type { Client } from './client.ts'

/** When a client is asked for a sign of life, and when it is given up. All in ms. */
export interface HeartbeatOptions {
  readonly pingPeriodMs: number
  /** The shortest period that a protocol has of its own, so that its pings come in time; without it there is none. */
  readonly shortestPingMs?: number | undefined
  /** A client is given up at the first ping that is due after more than this many periods went unanswered. */
  readonly maxUnanswered: number
  /** A client is given up when nothing came from it for this long; 0 never. */
  readonly readDeadlineMs: number
  /** A client is given up when its socket has not taken what was written for this long. */
  readonly writeDeadlineMs: number
  readonly clock: Clock
}

/** A client that could resume would try to with the token that has expired; told to start over, it gets a new one. */
const EXPIRED = { ...CLOSE.startOver, reason: CLOSE.tokenExpired.reason }

const MIN_SLOT_MS = 10
const MAX_SLOT_MS = 1000
const MAX_SLOTS = 1024
/**
 * The shortest of the periods is cut into this many slots: so much later than exactly may a client's turn come. With
 * more of them, each answer to a ping would wake the process on its own, which costs more than the ping.
 */
const SLOTS_PER_PERIOD = 32
/** Steps of this size fill an interval evenly, however many are taken. */
const GOLDEN_RATIO = 0.618034

/**
 * One timer for all clients: asks each for a sign of life once a period, and ends those that are lost, stuck or whose
 * token has run out. Any bytes that came in count as life, so an answered ping and a message are the same.
 *
 * Clients stand in the slots of a wheel, each in the one in which it is due next. The timer turns the wheel and looks
 * only at those whose slot has come, so that thousands of clients are neither looked at nor pinged at the same moment.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #slotMs: number
  readonly #slots: Array<Set<Client>>
  readonly #pings = new Map<Protocol, Frame>()
  #timer: NodeJS.Timeout | null = null
  /** The number of the last slot that was looked at, counted from the beginning of the clock. */
  #turned: number
  #added = 0

  constructor (options: HeartbeatOptions) {
    const { pingPeriodMs, shortestPingMs = pingPeriodMs, readDeadlineMs, writeDeadlineMs, clock } = options
    const shortest = Math.min(pingPeriodMs, shortestPingMs, writeDeadlineMs, readDeadlineMs === 0 ? Infinity : readDeadlineMs)
    this.#options = options
    this.#slotMs = Math.min(MAX_SLOT_MS, Math.max(MIN_SLOT_MS, shortest / SLOTS_PER_PERIOD))
    const slots = Math.min(MAX_SLOTS, Math.ceil(pingPeriodMs / this.#slotMs) + 2)
    this.#slots = Array.from({ length: slots }, () => new Set())
    this.#turned = Math.floor(clock.steady() / this.#slotMs)
  }

  start (): void {
    this.#timer ??= setInterval(() => this.turn(), this.#slotMs).unref()
  }

  stop (): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** Looks after a client from now on. Its first ping comes in the second half of a period, so that those who came together are not pinged together; one whose protocol has a period of its own expects it after exactly that. */
  add (client: Client): void {
    const { pingPeriodMs, clock } = this.#options
    const phase = (this.#added++ * GOLDEN_RATIO) % 1
    if (client.protocol.pingPeriodMs === undefined) client.liveness.pingedAt -= phase * pingPeriodMs / 2
    this.#place(client, clock.steady(), clock.wall())
  }

  remove (client: Client): void {
    client.liveness.slot?.delete(client)
    client.liveness.slot = null
  }

  /** Looks at every client whose slot has come since the last turn. */
  turn (): void {
    const { clock } = this.#options
    const [now, wall] = [clock.steady(), clock.wall()]
    const current = Math.floor(now / this.#slotMs)
    // After a long standstill each slot still needs to be looked at only once.
    this.#turned = Math.max(this.#turned, current - this.#slots.length)
    while (this.#turned < current) {
      this.#turned++
      const slot = this.#slot(this.#turned)
      for (const client of slot) {
        slot.delete(client)
        try {
          this.#check(client, now, wall)
        } finally {
          if (client.liveness.slot !== null) this.#place(client, now, wall)
        }
      }
    }
  }

  #slot (number: number): Set<Client> {
    const slot = this.#slots[number % this.#slots.length]
    if (slot === undefined) throw new Error('The wheel of the heartbeat has no slots.')
    return slot
  }

  /** Puts a client into the slot in which it has to be looked at next. */
  #place (client: Client, now: number, wall: number): void {
    const soonest = this.#turned + 1
    const due = Math.ceil(this.#dueAt(client, now, wall) / this.#slotMs)
    const slot = this.#slot(Math.min(Math.max(due, soonest), this.#turned + this.#slots.length - 1))
    slot.add(client)
    client.liveness.slot = slot
  }

  #dueAt ({ protocol, liveness: pulse, outbox, identity: { expiresAt } }: Client, now: number, wall: number): number {
    const { readDeadlineMs, writeDeadlineMs } = this.#options
    return Math.min(
      pulse.pingedAt + this.#periodOf(protocol),
      readDeadlineMs === 0 ? Infinity : pulse.lastSeenAt + readDeadlineMs,
      // Seldom enough to cost nothing, often enough that none is stuck for longer than it may.
      now - outbox.blockedMs(now) + writeDeadlineMs,
      expiresAt === undefined ? Infinity : now + expiresAt - wall
    )
  }

  #check (client: Client, now: number, wall: number): void {
    const { pingPeriodMs, maxUnanswered, readDeadlineMs, writeDeadlineMs } = this.#options
    const { liveness: pulse, identity: { expiresAt } } = client
    const waited = client.outbox.blockedMs(now)
    if (waited >= writeDeadlineMs) return client.terminate(CLOSE.slowClient)
    if (!client.isOpen) return
    if (expiresAt !== undefined && expiresAt <= wall) return client.close(client.protocol.isResumable ? EXPIRED : CLOSE.tokenExpired)

    const { bytesRead } = client
    // Some connections have no way to answer. A paused client may have said much that the hub has not read yet. For one
    // whose socket is full, a ping would have to wait or be dropped; whether it takes what waits tells as much.
    const isBlamed = bytesRead !== undefined && !client.isPaused && waited === 0
    if (bytesRead !== pulse.bytesRead || !isBlamed) {
      pulse.bytesRead = bytesRead
      pulse.lastSeenAt = now
      pulse.unansweredPings = 0
    }
    if (isBlamed && readDeadlineMs > 0 && now - pulse.lastSeenAt >= readDeadlineMs) return client.terminate(CLOSE.heartbeatLost)

    const period = this.#periodOf(client.protocol)
    if (now - pulse.pingedAt < period) return
    // Counted in the hub's periods: who is pinged more often has as much time to answer.
    if (isBlamed && pulse.unansweredPings * period >= (maxUnanswered + 1) * pingPeriodMs) return client.terminate(CLOSE.heartbeatLost)
    // Keeps the client's place on the wheel, however late its turn came.
    pulse.pingedAt += Math.floor((now - pulse.pingedAt) / period) * period
    if (waited > 0) return
    pulse.unansweredPings++
    if (!client.reprobe()) client.push(this.#ping(client.protocol))
  }

  /** A period that is a protocol's own still has to come often enough for the deadline. */
  #periodOf ({ pingPeriodMs: own }: Protocol): number {
    const { pingPeriodMs, readDeadlineMs } = this.#options
    if (own === undefined) return pingPeriodMs
    return readDeadlineMs === 0 ? own : Math.min(own, readDeadlineMs / 2)
  }

  /** The ping of a protocol: the same frame for every client. */
  #ping (protocol: Protocol): Frame {
    const known = this.#pings.get(protocol)
    if (known !== undefined) return known
    const frame = new Frame(protocol.ping)
    this.#pings.set(protocol, frame)
    return frame
  }
}
