import type { Clock } from '../../lib/clock.ts'
import type { CloseCode } from '../../model/close-codes.ts'
import type { ClientInfo } from '../../model/info.ts'
import type { Identity } from '../../model/identity.ts'
import { toPayload, type ClientId, type Message, type Offset } from '../../model/message.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import type { RateLimit } from '../../lib/rate-limit.ts'
import { Frame } from '../outbox/batch.ts'
import type { Connection } from '../outbox/connection.ts'
import type { Cursor } from './cursor.ts'
import { EarlyMessages } from './early-messages.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { TaskQueue, type TaskQueueHooks } from './task-queue.ts'

/**
 * What an application hangs on its connections. Add fields by declaration merging:
 * `declare module 'fastify-hub' { interface ClientParams { tenant: string } }`.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- empty on purpose: applications fill it
export interface ClientParams {}

/** A close code and the reason that goes with it. */
export type CloseReason = Pick<CloseCode, 'code' | 'reason'>

/** What the heartbeat knows of a client. */
export interface Liveness {
  /** When the peer last gave a sign of life, on the steady clock, and what had been read from it by then. */
  lastSeenAt: number
  bytesRead: number | undefined
  pingedAt: number
  /** Pings without a sign of life since. */
  unansweredPings: number
  /** Where on the heartbeat's wheel the client stands; null when it is not looked after. */
  slot: Set<Client> | null
}

/** Hears how a client fares. */
export interface ClientHooks {
  /** It has lost a frame because it was over its limit. Once. */
  onOverflow (client: Client): void
  /** It is not live any more: the log has what it has not been given. */
  onBehind (client: Client): void
}

/** The parts of a client that the hub puts together. */
export interface ClientParts {
  readonly id: ClientId
  readonly identity: Identity
  readonly protocol: Protocol
  readonly connection: Connection
  readonly outbox: Outbox
  readonly cursor: Cursor
  /** What the device calls itself; '' for one without a name. */
  readonly device: string
  readonly taskQueueHooks: TaskQueueHooks<Client>
  readonly messageRate: RateLimit
  readonly hooks: ClientHooks
  readonly clock: Clock
}

/** One live connection: who it is, how it is doing, and the ways to end it. */
export class Client {
  readonly id: ClientId
  readonly identity: Identity
  readonly protocol: Protocol
  readonly outbox: Outbox
  readonly cursor: Cursor
  readonly device: string
  readonly taskQueue: TaskQueue<Client>
  readonly messageRate: RateLimit
  /** Whatever the application wants to keep with the connection. */
  readonly params: Partial<ClientParams> = {}
  /** In ms since the epoch. */
  readonly openedAt: number
  /** Whether it has been given everything there is for it and gets what comes at once; otherwise it is catching up from the log. */
  isLive = false
  /** Messages that came from it. */
  received = 0
  /** Why the connection failed; null as long as it has not, and for a clean close. */
  failure: Error | null = null
  /** How the hub ended the connection; null while it has not. */
  closeReason: CloseReason | null = null
  readonly liveness: Liveness
  readonly #connection: Connection
  readonly #hooks: ClientHooks
  #isPaused = false
  #hasOverflowed = false
  /** Null once it has been live. */
  #held: EarlyMessages | null = new EarlyMessages()

  constructor (parts: ClientParts) {
    this.id = parts.id
    this.identity = parts.identity
    this.protocol = parts.protocol
    this.outbox = parts.outbox
    this.cursor = parts.cursor
    this.device = parts.device
    this.taskQueue = new TaskQueue(parts.taskQueueHooks, this)
    this.messageRate = parts.messageRate
    this.openedAt = parts.clock.wall()
    const now = parts.clock.steady()
    this.liveness = { lastSeenAt: now, bytesRead: parts.connection.bytesRead, pingedAt: now, unansweredPings: 0, slot: null }
    this.#connection = parts.connection
    this.#hooks = parts.hooks
  }

  /** Whether frames can still reach it. */
  get isOpen (): boolean {
    return this.closeReason === null && this.#connection.isOpen
  }

  /** Whether the hub has stopped reading from it because its handlers are behind. */
  get isPaused (): boolean {
    return this.#isPaused
  }

  get bytesRead (): number | undefined {
    return this.#connection.bytesRead
  }

  /** Says the first word on the connection. */
  greet (resumeToken: string | null): void {
    const bytes = this.protocol.encodeGreeting({ clientId: this.id, user: this.identity.user, resumeToken })
    if (bytes.length > 0) this.push(new Frame(bytes))
  }

  /** Takes a frame that is not in the log, to be written at the end of the tick. */
  push (frame: Frame): void {
    if (!this.outbox.push(frame)) this.outbox.drop(frame)
    this.#noteOverflow()
  }

  /** Takes a message that has just been said, to be written at the end of the tick; or leaves it to the log while the client is behind. */
  deliver (frame: Frame, { offset, keep }: Message): void {
    if (this.isLive && this.outbox.push(frame)) {
      if (frame.ackOffset !== null) this.probe(offset)
      return this.#noteOverflow()
    }
    // What the log does not keep cannot be caught up with.
    if (keep === false) {
      if (this.#held?.add(frame, offset) === true) return
      this.outbox.drop(frame)
      // Whoever has just come is not slow.
      if (this.#held === null) this.#noteOverflow()
      return
    }
    if (!this.isLive) return
    this.isLive = false
    this.cursor.position = offset - 1
    this.#hooks.onBehind(this)
  }

  /** It has been given everything there was for it. */
  beginLive (): void {
    this.flushEarlyMessages(Infinity)
    this.#held = null
    this.isLive = true
  }

  /** Takes what was held back of what was said before an offset: it is its turn in the order of all messages. */
  flushEarlyMessages (before: Offset): void {
    for (const frame of this.#held?.takeBefore(before) ?? []) if (!this.outbox.offer(frame)) this.outbox.drop(frame)
  }

  /** A message of the user's inbox is on its way: asks the client to say when it has it. One question at a time. */
  probe (offset: Offset): void {
    this.cursor.inboxSent = offset
    if (this.protocol.acknowledgedBy !== 'pong' || this.cursor.pendingProbe !== null) return
    const { bytes, pong } = this.protocol.encodeProbe(offset)
    if (this.outbox.push(new Frame(bytes))) this.cursor.pendingProbe = { offset, pong }
  }

  /** Asks again for what has not been acknowledged: the question may have been lost. Answers false when there is nothing to ask. */
  reprobe (): boolean {
    const { cursor, protocol } = this
    if (protocol.acknowledgedBy !== 'pong' || cursor.inboxSent <= cursor.acknowledged) return false
    cursor.pendingProbe = null
    this.probe(cursor.inboxSent)
    return true
  }

  /** A pong has come; answers up to where that acknowledges the inbox, null when it says nothing about it. */
  onPong (payload: string): Offset | null {
    const { cursor } = this
    if (cursor.pendingProbe?.pong !== payload) return null
    const { offset } = cursor.pendingProbe
    cursor.pendingProbe = null
    if (cursor.inboxSent > offset) this.probe(cursor.inboxSent)
    return offset
  }

  /** Answers what this client just said: to this connection only, outside the log. What it may be is the same as for `hub.send`, which is for messages. */
  reply (data: unknown): void {
    if (this.isOpen) this.push(new Frame(this.protocol.encodeReply(toPayload(data))))
  }

  /** Ends the connection in order: what is queued is written, then the protocol's last word and the Close frame. */
  close (ending: CloseReason): void {
    if (this.closeReason !== null) return
    const { code, reason } = ending
    const goodbye = this.protocol.encodeCloseNotice(reason)
    if (goodbye !== null) this.outbox.push(new Frame(goodbye))
    this.outbox.flushLast()
    this.closeReason = ending
    this.#connection.close(code, reason)
  }

  /** Ends the connection at once, for a peer that would not read a Close frame. */
  terminate (ending: CloseReason): void {
    this.closeReason ??= ending
    this.#connection.terminate()
  }

  /** Stops or restarts reading. */
  setPaused (isPaused: boolean): void {
    this.#isPaused = isPaused
    if (isPaused) this.#connection.pause()
    else this.#connection.resume()
  }

  #noteOverflow (): void {
    if (this.outbox.dropped === 0 || this.#hasOverflowed) return
    this.#hasOverflowed = true
    this.#hooks.onOverflow(this)
  }

  /** What operators see. */
  info (): ClientInfo {
    return {
      id: this.id,
      user: this.identity.user,
      roles: [...this.identity.roles],
      groups: [...this.cursor.groups?.keys() ?? []],
      protocol: this.protocol.name,
      address: this.#connection.address,
      openedAt: new Date(this.openedAt).toISOString(),
      received: this.received,
      delivered: this.outbox.delivered,
      dropped: this.outbox.dropped,
      behind: !this.isLive || this.outbox.isBehind
    }
  }
}
