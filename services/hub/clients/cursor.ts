import { Type, type Static } from '@sinclair/typebox'
import type { Range } from '../../engine/store.ts'
import type { Address, ClientId, Group, Message, Offset, UserId } from '../../model/message.ts'

/** Membership of a client in a group. */
export const Membership = Type.Object({
  /** The client receives the messages to the group above this offset. */
  since: Type.Integer(),
  /** Origin of the membership: a command of the client, the client's token, or the hub's application. */
  by: Type.Union([Type.Literal('client'), Type.Literal('token'), Type.Literal('hub')]),
  /** Messages to the group that were published before this time, in ms since the epoch, are not for the client. */
  from: Type.Optional(Type.Number())
})
export type Membership = Static<typeof Membership>

/** Position of a lost connection, from which a session resumes. */
export interface ResumePoint {
  readonly since: Offset
  /** Null when the connection was lost before the start position in the inbox was resolved. */
  readonly inboxSince: Offset | null
  readonly acknowledged: Offset
  readonly groups: ReadonlyArray<readonly [Group, Membership]>
  readonly revision: number
}

/** Start position of a connection in the log. */
export interface StartPosition {
  /** The client receives messages to everyone, and to this client, above this offset. */
  readonly since: Offset
  /**
   * The client receives the user's inbox above this offset; undefined: above the offset that the user has acknowledged.
   */
  readonly inboxSince?: Offset
  /** The client has all messages up to this offset. */
  readonly position?: Offset
  /** The client has acknowledged all messages up to this offset. */
  readonly acknowledged?: Offset
  readonly groups?: ReadonlyArray<readonly [Group, Membership]>
  /** See `Cursor.revision`. */
  readonly revision?: number
}

/**
 * Phase of a client: `locating` while the hub reads the start position of a connection, `behind` while the client reads
 * the log page by page, `live` at the head of the log, where the client receives each new message at once.
 */
type Phase = 'locating' | 'behind' | 'live'

/** Messages of the log that were queued after connecting and are not acknowledged. */
export interface Redelivered {
  /** Offset of the message that has ended the last connections, if that is one of them; else of the first of them. */
  readonly offset: Offset
  /** When the last of them was queued, in ms on the steady clock. */
  readonly at: number
}

/** An ack probe: the payload of the expected pong, and the offset that this pong acknowledges. */
interface Probe {
  readonly offset: Offset
  readonly pong: string
}

/**
 * A client's position in the log, and the state machine of the position: locating → behind → live, and from live back
 * to behind. Address and offset decide which messages the client receives, so a client that is behind costs a few
 * numbers, and the hub stores no messages for a single client. Only the methods of this class change the state.
 */
export class Cursor {
  /** See `StartPosition`. */
  readonly since: Offset
  /** Whether the connection continues an earlier connection. */
  readonly isContinued: boolean
  /** Whether the groups are those of an earlier connection, which the groups of the token do not change again. */
  readonly hasEarlierGroups: boolean
  #phase: Phase = 'locating'
  #inboxSince: Offset | undefined
  #groups: Map<Group, Membership> | null
  #revision: number
  /** Groups that the client has left before it was located; null without one. */
  #leftEarly: Set<Group> | null = null
  #position: Offset
  #acknowledged: Offset
  #gapUpTo: Offset = 0
  #ackExpected: Offset = 0
  #probe: Probe | null = null
  #skipped: ReadonlySet<Offset> | null = null
  #redelivery: { readonly offset: Offset, readonly isSuspect: boolean } | null = null
  #redelivered: Redelivered | null = null
  #onAcknowledged: (() => void) | null = null

  constructor (start: StartPosition, isContinued = false, hasEarlierGroups = false) {
    const { since, inboxSince, position = 0, acknowledged = 0, groups = [], revision = 0 } = start
    this.since = since
    this.isContinued = isContinued
    this.hasEarlierGroups = hasEarlierGroups
    this.#inboxSince = inboxSince
    this.#groups = groups.length === 0 ? null : new Map(groups)
    this.#revision = revision
    this.#position = position
    this.#acknowledged = acknowledged
  }

  /**
   * Creates the cursor of a new connection, when the log is at `head`. With `after`, the client states that it has all
   * messages up to this offset; an offset above the head is ignored, because no such message exists.
   */
  static at (head: Offset, after?: Offset): Cursor {
    if (after === undefined || after > head) return new Cursor({ since: head })
    return new Cursor({ since: after, inboxSince: after, position: after }, true)
  }

  /**
   * Creates the cursor of a new connection that starts at a durable cursor. The client has not stated an offset of its
   * own, so a gap does not end the connection.
   */
  static since (offset: Offset): Cursor {
    return new Cursor({ since: offset, inboxSince: offset, acknowledged: offset })
  }

  /** Creates the cursor of a resumed connection. */
  static resumed ({ since, inboxSince, acknowledged, groups, revision }: ResumePoint): Cursor {
    const start = { since, position: acknowledged, acknowledged, groups, revision }
    if (inboxSince === null) return new Cursor(start, true)
    return new Cursor({ ...start, inboxSince }, true, true)
  }

  /** Whether the client is at the head of the log. */
  get isLive (): boolean {
    return this.#phase === 'live'
  }

  /** See `StartPosition`; undefined until the client is located. */
  get inboxSince (): Offset | undefined {
    return this.#inboxSince
  }

  /** Groups of the client; null for a client without groups. */
  get groups (): ReadonlyMap<Group, Membership> | null {
    return this.#groups
  }

  /** Number of changes of the groups. */
  get revision (): number {
    return this.#revision
  }

  /** While the client is behind: all messages up to this offset have been queued for the client. */
  get position (): Offset {
    return this.#position
  }

  /** Whether the client has a position: the client stated one, or messages have been queued. */
  get hasPosition (): boolean {
    return this.isContinued || this.#position > 0
  }

  /** The client has acknowledged all messages up to this offset. */
  get acknowledged (): Offset {
    return this.#acknowledged
  }

  /** Offset of the last queued message that the client has to acknowledge; 0 without one. */
  get ackExpected (): Offset {
    return this.#ackExpected
  }

  /** The unacknowledged messages of the log since connecting; null without one. */
  get redelivered (): Redelivered | null {
    return this.#redelivered
  }

  /** Whether the client has not acknowledged all queued messages that it has to acknowledge. */
  get owesAck (): boolean {
    return this.#ackExpected > this.#acknowledged
  }

  /** Whether an ack probe is in flight. */
  get isProbing (): boolean {
    return this.#probe !== null
  }

  /**
   * Returns the offset above which the client receives messages to an address; Infinity for a group without the client.
   */
  floor (address: Address): Offset {
    if ('user' in address) return this.#inboxSince ?? this.since
    if ('group' in address) return this.#groups?.get(address.group)?.since ?? Infinity
    return this.since
  }

  /** Whether a message was published to a group before the client's membership began. */
  precedesMembership ({ address, at }: Message): boolean {
    return 'group' in address && at < (this.#groups?.get(address.group)?.from ?? 0)
  }

  /**
   * Returns the parts of the log up to an offset that the client receives and that have not been queued for the client
   * yet.
   *
   * @param mayHaveMessage whether the log may have a message to a group above an offset
   */
  ranges (
    client: ClientId, user: UserId, upTo: Offset, mayHaveMessage: (group: Group, after: Offset) => boolean
  ): Range[] {
    const rangeOf = (address: Address): Range => {
      return { address, after: Math.max(this.floor(address), this.#position), upTo }
    }
    const ranges = [rangeOf({ all: true }), rangeOf({ user }), rangeOf({ client })]
    for (const [group, { since }] of this.#groups ?? []) {
      if (mayHaveMessage(group, Math.max(since, this.#position))) ranges.push(rangeOf({ group }))
    }
    return ranges
  }

  /**
   * Ends `locating`.
   *
   * @param acknowledged offset in the inbox at which a connection without an offset of its own starts
   * @param skipped messages that the client does not receive, because they have ended its connections
   * @param redelivery the message that has ended the last connections, and whether it is delivered alone
   */
  located (acknowledged: Offset, skipped: readonly Offset[] = [], redelivery: Cursor['redelivery'] = null): void {
    if (this.#inboxSince === undefined) this.#inboxSince = this.#acknowledged = acknowledged
    if (skipped.length > 0) this.#skipped = new Set(skipped)
    this.#redelivery = redelivery
    this.#phase = 'behind'
  }

  /** The message that has ended the last connections of the client; null without one. */
  get redelivery (): { readonly offset: Offset, readonly isSuspect: boolean } | null {
    return this.#redelivery
  }

  /** Whether the client does not receive a message, because the message has ended its connections. */
  hasSkipped (offset: Offset): boolean {
    return this.#skipped?.has(offset) === true
  }

  /**
   * Records that messages of the log are queued, before the client is live for the first time.
   *
   * @param first offset of the first of these messages; the last is at the client's position
   */
  redeliver (first: Offset, at: number): void {
    const repeated = this.#redelivery?.offset ?? 0
    const isRepeated = repeated >= first && repeated <= this.#position
    this.#redelivered = { offset: isRepeated ? repeated : this.#redelivered?.offset ?? first, at }
  }

  /** Records that the connection has outlived the messages that were queued so far. */
  outlive (): void {
    this.#redelivered = null
  }

  /** Resolves with the next acknowledgement of the client. One caller at a time. */
  nextAcknowledgement (): Promise<void> {
    return new Promise((resolve) => { this.#onAcknowledged = resolve })
  }

  /**
   * Advances past a message of the log.
   *
   * @param ackOffset offset that the client has to acknowledge; null when the message needs no acknowledgement or is
   * not for this client
   */
  advance (offset: Offset, ackOffset: Offset | null): void {
    this.#position = offset
    if (ackOffset !== null) this.#ackExpected = ackOffset
  }

  /** Advances to the end of a page: the log has no further message for the client up to this offset. */
  advanceTo (upTo: Offset): void {
    this.#position = Math.max(this.#position, upTo)
  }

  /** Reaches the head of the log. */
  caughtUp (): void {
    this.#phase = 'live'
  }

  /** Falls behind: the messages above this offset are read from the log. */
  fellBehind (after: Offset): void {
    this.#phase = 'behind'
    this.#position = after
  }

  /** Records a gap up to an offset. Returns false when the client has been notified of this gap. */
  gap (upTo: Offset): boolean {
    if (upTo <= this.#gapUpTo) return false
    this.#gapUpTo = upTo
    return true
  }

  /**
   * Acknowledges all messages up to an offset, at most up to the last message given to the client. Returns false when
   * the client had acknowledged these messages before.
   *
   * @param head offset of the last message of the log
   */
  acknowledge (offset: Offset, head: Offset): boolean {
    const upTo = Math.min(offset, this.isLive ? head : this.#position)
    if (upTo <= this.#acknowledged) return false
    this.#acknowledged = upTo
    if (this.#redelivered !== null && upTo >= this.#redelivered.offset) this.#redelivered = null
    this.#onAcknowledged?.()
    this.#onAcknowledged = null
    return true
  }

  /** Records that a queued message has to be acknowledged. */
  expectAck (offset: Offset): void {
    this.#ackExpected = offset
  }

  /** Records that an ack probe is queued; null forgets the probe in flight. */
  probe (probe: Probe | null): void {
    this.#probe = probe
  }

  /**
   * Returns the offset that a pong acknowledges; null for a pong that does not answer the probe in flight.
   *
   * @param isAnswer whether the pong answers the probe with another payload, too
   */
  pong (payload: string, isAnswer = false): Offset | null {
    if (this.#probe === null || (this.#probe.pong !== payload && !isAnswer)) return null
    const { offset } = this.#probe
    this.#probe = null
    return offset
  }

  /** Adds a membership. Returns false when the client is a member already. */
  join (group: Group, membership: Membership): boolean {
    const present = this.#groups?.get(group)
    if (present === undefined) {
      this.#groups ??= new Map()
      this.#groups.set(group, membership)
      this.#leftEarly?.delete(group)
      this.#revision++
      return true
    }
    // A membership by the hub outlives the client's own right to be in the group.
    if (membership.by === 'hub') present.by = 'hub'
    return false
  }

  /** Removes a membership. Returns false when the client is not a member. */
  leave (group: Group): boolean {
    if (this.#phase === 'locating') (this.#leftEarly ??= new Set()).add(group)
    if (this.#groups?.delete(group) !== true) return false
    this.#revision++
    return true
  }

  /** Whether the client has left a group before it was located, so that it does not join the group by its token. */
  hasLeftEarly (group: Group): boolean {
    return this.#leftEarly?.has(group) === true
  }
}
