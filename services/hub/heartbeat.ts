import type { Clock } from '../clock.ts'
import { CLOSE } from '../close-codes.ts'
import type { Protocol } from '../protocol/protocol.ts'
import { Frame } from './batch.ts'
import type { Client } from './client.ts'

/** When a client is asked for a sign of life, and when it is given up. All in ms. */
export interface HeartbeatOptions {
  readonly pingPeriodMs: number
  /** A client is given up at the first ping that is due after more than this many went unanswered. */
  readonly maxUnanswered: number
  /** A client is given up when nothing came from it for this long; 0 never. */
  readonly readDeadlineMs: number
  /** A client is given up when its socket has not taken what was written for this long. */
  readonly writeDeadlineMs: number
  readonly clock: Clock
}

const MIN_SWEEP_MS = 10
const MAX_SWEEP_MS = 1000

/**
 * One timer for all clients: asks each for a sign of life once a period, and ends those that are lost, stuck or whose
 * token has run out. Any bytes that came in count as life, so an answered ping and a message are the same.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #clients: () => Iterable<Client>
  readonly #pings = new Map<Protocol, Frame>()
  #timer: NodeJS.Timeout | null = null

  constructor (clients: () => Iterable<Client>, options: HeartbeatOptions) {
    this.#clients = clients
    this.#options = options
  }

  start (): void {
    const { pingPeriodMs, readDeadlineMs, writeDeadlineMs } = this.#options
    const shortest = Math.min(pingPeriodMs, writeDeadlineMs, readDeadlineMs === 0 ? Infinity : readDeadlineMs)
    const sweepMs = Math.min(MAX_SWEEP_MS, Math.max(MIN_SWEEP_MS, shortest / 4))
    this.#timer ??= setInterval(() => this.sweep(), sweepMs).unref()
  }

  stop (): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** Looks at every client once. */
  sweep (): void {
    const { clock } = this.#options
    const [now, wall] = [clock.steady(), clock.wall()]
    for (const client of this.#clients()) this.#check(client, now, wall)
  }

  #check (client: Client, now: number, wall: number): void {
    const { pingPeriodMs, maxUnanswered, readDeadlineMs, writeDeadlineMs } = this.#options
    const { pulse, identity: { expiresAt } } = client
    if (client.outbox.waitedFor(now) > writeDeadlineMs) return client.terminate(CLOSE.slowClient)
    if (!client.isOpen) return
    if (expiresAt !== undefined && expiresAt <= wall) return client.close(CLOSE.tokenExpired)

    const { bytesRead } = client
    // A paused client may have said much that the hub has not read yet.
    if (bytesRead !== pulse.bytesRead || client.isPaused) {
      pulse.bytesRead = bytesRead
      pulse.heardAt = now
      pulse.unanswered = 0
    }
    if (bytesRead === undefined) return
    if (readDeadlineMs > 0 && now - pulse.heardAt > readDeadlineMs) return client.terminate(CLOSE.heartbeatLost)

    if (now - pulse.pingedAt < pingPeriodMs) return
    if (pulse.unanswered > maxUnanswered) return client.terminate(CLOSE.heartbeatLost)
    pulse.unanswered++
    pulse.pingedAt = now
    client.push(this.#ping(client.protocol))
  }

  /** The ping of a protocol: the same bytes for every client. */
  #ping (protocol: Protocol): Frame {
    const known = this.#pings.get(protocol)
    if (known !== undefined) return known
    const frame = new Frame(protocol.ping)
    this.#pings.set(protocol, frame)
    return frame
  }
}
