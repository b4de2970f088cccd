import { BoundedMap } from '../../lib/bounded-map.ts'
import type { Clock } from '../../lib/clock.ts'
import type { ClientParams, ConnectedClient } from '../../model/client.ts'
import { CLOSE, mayResume, toCloseReason, type CloseReason } from '../../model/close-codes.ts'
import type { DurableCursor } from '../../model/durable-cursor.ts'
import type { ClientInfo } from '../../model/info.ts'
import type { Identity } from '../../model/identity.ts'
import { toPayload, type ClientId, type Group, type Message, type Offset } from '../../model/message.ts'
import type { Protocol } from '../../protocol/protocol.ts'
import { warnSafely, type Log } from '../../lib/log.ts'
import type { RateLimit } from '../../lib/rate-limit.ts'
import { Frame } from '../outbox/batch.ts'
import type { Connection } from '../outbox/connection.ts'
import type { Cursor } from './cursor.ts'
import { EarlyMessages } from './early-messages.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { TaskQueue } from './task-queue.ts'

/** Requests without a reply that are refused within the window, at which the connection is closed. */
const MAX_REFUSED = 10
const REFUSED_WINDOW_MS = 60_000

/** Ids of calls that are kept for a client. */
const MAX_CALLS = 256
/** Id that a client gives to a call. */
export type CallId = string | number

/** The parts of a client, which the hub creates for each connection. */
export interface ClientParts
  extends Pick<Client, 'id' | 'identity' | 'protocol' | 'outbox' | 'cursor' | 'durableCursor'> {
  /** Ids of the calls that were accepted on an earlier connection. */
  readonly calls: Iterable<CallId>
  readonly connection: Connection
  /** Limit of messages per second from the client. */
  readonly messageRate: RateLimit
  /** Brings a client that has fallen behind to the head of the log. */
  readonly catchUp: { resume (client: Client): void }
  /** Ends the session of a client that the hub closes for good. */
  readonly sessions: { end (client: Client): void }
  readonly clock: Clock
  readonly log: Log
}

/** One live connection, over WebSocket or Server-Sent Events, with its outbox and its cursor. */
export class Client implements ConnectedClient {
  readonly id: ClientId
  readonly identity: Identity
  /** Protocol of the connection: `client.protocol.name` is `raw`, `sse` or the name of a subprotocol. */
  readonly protocol: Protocol
  /** Frames queued for the client. */
  readonly outbox: Outbox
  /** Position of the client in the log. */
  readonly cursor: Cursor
  /** The durable cursor through which the client reads. */
  readonly durableCursor: DurableCursor
  /** Runs the handlers and listeners for this client one after another. */
  readonly taskQueue: TaskQueue
  readonly params: Partial<ClientParams> = {}
  /** Time of connecting, in ms since the epoch. */
  readonly openedAt: number
  readonly #connection: Connection
  readonly #messageRate: RateLimit
  readonly #catchUp: ClientParts['catchUp']
  readonly #sessions: ClientParts['sessions']
  readonly #clock: Clock
  readonly #log: Log
  /** Ids of the last accepted calls; null for a client without any, as most are. */
  #calls: BoundedMap<CallId, true> | null = null
  #received = 0
  /** Steady times in ms of the refused requests of the last minute. */
  #refusedAt: number[] = []
  #failure: Error | null = null
  #closeReason: CloseReason | null = null
  #isPaused = false
  #hasOverflowed = false
  /** Pings so far, and the pongs that answered them, in order. */
  #pings = 0
  #pongs = 0
  /** Number of the ping that carries the pending ack probe. */
  #probePing = 0
  /** Whether a pong has repeated the payload of its ping: then an empty pong is a sign of life of the client's own. */
  #hasEchoed = false
  /** Null from the moment on that the client is live for the first time. */
  #earlyMessages: EarlyMessages | null = new EarlyMessages()

  constructor (parts: ClientParts) {
    this.id = parts.id
    this.identity = parts.identity
    this.protocol = parts.protocol
    this.outbox = parts.outbox
    this.cursor = parts.cursor
    this.durableCursor = parts.durableCursor
    this.taskQueue = new TaskQueue(this, parts.log)
    this.openedAt = parts.clock.wall()
    this.#connection = parts.connection
    this.#messageRate = parts.messageRate
    this.#clock = parts.clock
    this.#catchUp = parts.catchUp
    this.#sessions = parts.sessions
    this.#log = parts.log
    for (const id of parts.calls) this.addCall(id)
  }

  get isOpen (): boolean {
    return this.#closeReason === null && this.#connection.isOpen
  }

  /** Whether the network below the connection has ended, also where no event has reported the end. */
  get isEnded (): boolean {
    return this.#connection.isEnded
  }

  get groups (): Group[] {
    return [...this.cursor.groups?.keys() ?? []]
  }

  /** Messages received from the client. */
  get received (): number {
    return this.#received
  }

  /** The error with which the connection failed; null while the connection is open and after a clean close. */
  get failure (): Error | null {
    return this.#failure
  }

  /** Close code and reason with which the hub ended the connection; null while the hub has not ended the connection. */
  get closeReason (): CloseReason | null {
    return this.#closeReason
  }

  /** Whether the client is at the head of the log and receives new messages at once; false while it catches up. */
  get isLive (): boolean {
    return this.cursor.isLive
  }

  /** Whether the client has not been live yet. */
  get isNew (): boolean {
    return this.#earlyMessages !== null
  }

  /** Whether the hub has stopped reading from the connection, because the handlers are slower than the client. */
  get isPaused (): boolean {
    return this.#isPaused
  }

  /** Bytes received from the peer so far; undefined where the peer sends no bytes, such as Server-Sent Events. */
  get bytesRead (): number | undefined {
    return this.#connection.bytesRead
  }

  /** Pings sent to the client so far, those of ack probes included. */
  get pings (): number {
    return this.#pings
  }

  /** Queues the greeting of the protocol, the first frame on the connection. */
  greet (resumeToken: string | null): void {
    const bytes = this.protocol.encodeGreeting({ clientId: this.id, user: this.identity.user, resumeToken })
    if (bytes.length > 0) this.push(new Frame(bytes))
  }

  /**
   * Queues a frame that is not in the log, to be written at the end of the tick. Over the limit, the frame is dropped.
   */
  push (frame: Frame): void {
    if (!this.outbox.push(frame)) this.outbox.drop(frame)
    this.#checkOverflow()
  }

  /**
   * Queues the frame of a new message, to be written at the end of the tick. A client that is behind, or falls behind
   * with this message, reads the message from the log instead.
   */
  deliver (frame: Frame, message: Message): void {
    const { offset, keep } = message
    if (this.isLive && this.outbox.push(frame)) {
      if (frame.ackOffset !== null) this.probe(offset)
      return this.#checkOverflow()
    }
    // A message that the log does not keep cannot be read again.
    if (keep === false) {
      if (this.#earlyMessages?.add(frame, message) === true) return
      this.outbox.drop(frame)
      // A client that has never been live is new, not slow.
      if (this.#earlyMessages === null) this.#checkOverflow()
      return
    }
    this.fallBehind(offset - 1)
  }

  /** Lets a live client read the log again, from an offset on up to which all messages have been queued. */
  fallBehind (after: Offset): void {
    if (!this.isLive) return
    this.cursor.fellBehind(after)
    this.#catchUp.resume(this)
  }

  /** Makes the client live: all messages of the log have been queued, and new messages are delivered at once. */
  beginLive (): void {
    this.flushEarlyMessages(Infinity)
    this.#earlyMessages = null
    this.cursor.caughtUp()
  }

  /**
   * Queues the early messages with offsets below `before`, so that the client receives all messages in offset order.
   */
  flushEarlyMessages (before: Offset): void {
    for (const { frame, message: { address, offset } } of this.#earlyMessages?.takeBefore(before) ?? []) {
      // A resumed client may have lost the right to be in the group before its start position was resolved.
      const isRecipient = offset > this.cursor.floor(address)
      if (!isRecipient || !this.outbox.offer(frame)) this.outbox.drop(frame)
    }
  }

  /**
   * Records that a message with this offset is queued and has to be acknowledged, and sends an ack probe when the
   * protocol acknowledges by pong. One probe is in flight at a time.
   */
  probe (offset: Offset): void {
    this.cursor.expectAck(offset)
    if (this.protocol.acknowledgedBy !== 'pong' || this.cursor.isProbing) return
    const { bytes, pong } = this.protocol.encodeProbe(offset)
    if (!this.outbox.push(new Frame(bytes))) return
    this.cursor.probe({ offset, pong })
    this.#probePing = ++this.#pings
  }

  /** Queues a ping of the heartbeat. */
  ping (frame: Frame): void {
    this.#pings++
    this.push(frame)
  }

  /**
   * Sends the ack probe again, because the first probe may have been lost. Returns false when all queued messages are
   * acknowledged, and when the protocol does not acknowledge by pong.
   */
  reprobe (): boolean {
    const { cursor, protocol } = this
    if (protocol.acknowledgedBy !== 'pong' || !cursor.owesAck) return false
    cursor.probe(null)
    this.probe(cursor.ackExpected)
    return true
  }

  /**
   * Returns the offset up to which a pong acknowledges messages; null for a pong that does not answer the probe in
   * flight. From a client that has repeated no payload, the n-th empty pong answers the n-th ping.
   */
  onPong (payload: string): Offset | null {
    if (payload !== '') this.#hasEchoed = true
    if (this.#pongs < this.#pings) this.#pongs++
    const isProbeAnswer = !this.#hasEchoed && this.#pongs >= this.#probePing
    const offset = this.cursor.pong(payload, isProbeAnswer)
    if (offset !== null && this.cursor.ackExpected > offset) this.probe(this.cursor.ackExpected)
    return offset
  }

  reply (data: unknown): void {
    if (this.isOpen) this.push(new Frame(this.protocol.encodeReply(toPayload(data))))
  }

  close (given: CloseReason): void {
    if (this.#closeReason !== null) return
    const closeReason = toCloseReason(given)
    const { code, reason } = closeReason
    const closeNotice = this.protocol.encodeCloseNotice(reason)
    if (closeNotice !== null) this.outbox.push(new Frame(closeNotice))
    this.outbox.flushLast()
    this.#end(closeReason)
    this.#connection.close(code, reason)
  }

  /**
   * Ends the connection at once, without a Close frame, for a peer that would not read one.
   *
   * @param closeReason - code and reason for the `close` listeners, unless the hub has ended the connection already
   */
  terminate (closeReason: CloseReason): void {
    if (this.#closeReason === null) this.#end(closeReason)
    this.#connection.terminate()
  }

  /** Decides the end of the connection. The peer need not answer: a code that forbids a retry ends the session now. */
  #end (closeReason: CloseReason): void {
    this.#closeReason = closeReason
    if (!mayResume(closeReason.code)) this.#sessions.end(this)
  }

  /** Ids of the last accepted calls. */
  get calls (): CallId[] {
    return [...this.#calls?.keys() ?? []]
  }

  /**
   * Adds the id of a call, so that a client which repeats the call after a lost connection causes one call. Returns
   * false for an id that is known.
   */
  addCall (id: CallId): boolean {
    if (this.#calls?.has(id) === true) return false
    this.#calls ??= new BoundedMap(MAX_CALLS)
    this.#calls.set(id, true)
    return true
  }

  /** Removes the id of a call that may be repeated. */
  removeCall (id: CallId): void {
    this.#calls?.delete(id)
  }

  /** Counts a message from the client. Returns false when the client is over its limit of messages per second. */
  onReceived (): boolean {
    if (!this.#messageRate.allow(this.#clock.steady())) return false
    this.#received++
    return true
  }

  /**
   * Counts a refused request of the client that has no reply. Returns false at the tenth in a minute: a client that
   * gets no reply and goes on is broken.
   */
  onRefused (): boolean {
    const now = this.#clock.steady()
    this.#refusedAt = this.#refusedAt.filter((at) => at > now - REFUSED_WINDOW_MS)
    this.#refusedAt.push(now)
    return this.#refusedAt.length < MAX_REFUSED
  }

  /** Records the error with which the connection failed. Returns false when an error is recorded already. */
  fail (error: Error): boolean {
    if (this.#failure !== null) return false
    this.#failure = error
    return true
  }

  /** Stops or restarts reading from the connection. */
  setPaused (isPaused: boolean): void {
    this.#isPaused = isPaused
    if (isPaused) this.#connection.pause()
    else this.#connection.resume()
  }

  /** Reacts to the first dropped frame: terminates the connection or logs a warning, by the policy for slow clients. */
  #checkOverflow (): void {
    if (this.outbox.dropped === 0 || this.#hasOverflowed) return
    this.#hasOverflowed = true
    if (this.outbox.policy === 'disconnect') return this.terminate(CLOSE.slowClient)
    const circumstances = { clientId: this.id, user: this.identity.user }
    warnSafely(this.#log, circumstances, 'client is too slow, messages for it are dropped')
  }

  /** Returns the client as operators see it, with some of its groups. */
  info (maxGroups: number): ClientInfo {
    return {
      id: this.id,
      user: this.identity.user,
      roles: [...this.identity.roles],
      groups: this.groups.slice(0, maxGroups),
      groupCount: this.cursor.groups?.size ?? 0,
      device: this.durableCursor.name,
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
