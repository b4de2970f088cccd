import type { Clock } from '../clock.ts'
import type { CloseCode } from '../close-codes.ts'
import type { ClientInfo } from '../client-info.ts'
import type { Identity } from '../identity.ts'
import { toPayload, type ClientId } from '../message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import type { RateLimit } from '../rate-limit.ts'
import { Frame } from './batch.ts'
import type { Connection } from './connection.ts'
import type { Outbox } from './outbox.ts'
import { Turns, type TurnsHooks } from './turns.ts'

/**
 * What an application hangs on its connections. Add fields by declaration merging:
 * `declare module 'fastify-hub' { interface ClientParams { tenant: string } }`.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- empty on purpose: applications fill it
export interface ClientParams {}

/** A close code and the reason that goes with it. */
export type Ending = Pick<CloseCode, 'code' | 'reason'>

/** What the heartbeat knows of a client. */
export interface Pulse {
  /** When the peer last gave a sign of life, on the steady clock, and what had been read from it by then. */
  heardAt: number
  bytesRead: number | undefined
  pingedAt: number
  /** Pings without a sign of life since. */
  unanswered: number
  /** Where on the heartbeat's wheel the client stands; null when it is not looked after. */
  slot: Set<Client> | null
}

/** The parts of a client that the hub puts together. */
export interface ClientParts {
  readonly id: ClientId
  readonly identity: Identity
  readonly protocol: Protocol
  readonly connection: Connection
  readonly outbox: Outbox
  readonly turnsHooks: TurnsHooks<Client>
  readonly messageRate: RateLimit
  /** Hears, once, that the client has lost a frame because it was over its limit. */
  readonly onOverflow: (client: Client) => void
  readonly clock: Clock
}

/** One live connection: who it is, how it is doing, and the ways to end it. */
export class Client {
  readonly id: ClientId
  readonly identity: Identity
  readonly protocol: Protocol
  readonly outbox: Outbox
  readonly turns: Turns<Client>
  readonly messageRate: RateLimit
  /** Whatever the application wants to keep with the connection. */
  readonly params: Partial<ClientParams> = {}
  /** In ms since the epoch. */
  readonly openedAt: number
  /** Messages that came from it. */
  received = 0
  /** Why the connection failed; null as long as it has not, and for a clean close. */
  failure: Error | null = null
  /** How the hub ended the connection; null while it has not. */
  ending: Ending | null = null
  readonly pulse: Pulse
  readonly #connection: Connection
  readonly #onOverflow: (client: Client) => void
  #isPaused = false
  #hasOverflowed = false

  constructor (parts: ClientParts) {
    this.id = parts.id
    this.identity = parts.identity
    this.protocol = parts.protocol
    this.outbox = parts.outbox
    this.turns = new Turns(parts.turnsHooks, this)
    this.messageRate = parts.messageRate
    this.openedAt = parts.clock.wall()
    const now = parts.clock.steady()
    this.pulse = { heardAt: now, bytesRead: parts.connection.bytesRead, pingedAt: now, unanswered: 0, slot: null }
    this.#connection = parts.connection
    this.#onOverflow = parts.onOverflow
  }

  /** Whether frames can still reach it. */
  get isOpen (): boolean {
    return this.ending === null && this.#connection.isOpen
  }

  /** Whether the hub has stopped reading from it because its handlers are behind. */
  get isPaused (): boolean {
    return this.#isPaused
  }

  get bytesRead (): number | undefined {
    return this.#connection.bytesRead
  }

  /** Says the first word on the connection. */
  greet (): void {
    if (this.protocol.greeting.length > 0) this.push(new Frame(this.protocol.greeting))
  }

  /** Takes a frame to be written at the end of the tick. */
  push (frame: Frame): void {
    this.outbox.push(frame)
    if (this.outbox.dropped === 0 || this.#hasOverflowed) return
    this.#hasOverflowed = true
    this.#onOverflow(this)
  }

  /** Answers what this client just said: to this connection only, outside the log. Use `hub.send` for messages. */
  reply (data: string | Uint8Array): void {
    if (this.isOpen) this.push(new Frame(this.protocol.encode({ payload: toPayload(data) })))
  }

  /** Ends the connection in order: what is queued is written, then the Close frame. */
  close ({ code, reason }: Ending): void {
    if (this.ending !== null) return
    this.outbox.flushLast()
    this.ending = { code, reason }
    this.#connection.close(code, reason)
  }

  /** Ends the connection at once, for a peer that would not read a Close frame. */
  terminate ({ code, reason }: Ending): void {
    this.ending ??= { code, reason }
    this.#connection.terminate()
  }

  /** Stops or restarts reading. */
  setPaused (isPaused: boolean): void {
    this.#isPaused = isPaused
    if (isPaused) this.#connection.pause()
    else this.#connection.resume()
  }

  /** What operators see. */
  info (): ClientInfo {
    return {
      id: this.id,
      user: this.identity.user,
      roles: [...this.identity.roles],
      protocol: this.protocol.name,
      address: this.#connection.address,
      openedAt: new Date(this.openedAt).toISOString(),
      received: this.received,
      delivered: this.outbox.delivered,
      dropped: this.outbox.dropped,
      behind: this.outbox.isBehind
    }
  }
}
