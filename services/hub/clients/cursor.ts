import { Type, type Static } from '@sinclair/typebox'
import type { Source } from '../../engine/engine.ts'
import type { Address, ClientId, Group, Offset, UserId } from '../../model/message.ts'

/** Membership of a client in a group. */
export const Membership = Type.Object({
  /** The client receives the messages to the group above this offset. */
  since: Type.Integer(),
  /** Origin of the membership: a command of the client, the client's token, or the hub's application. */
  by: Type.Union([Type.Literal('client'), Type.Literal('token'), Type.Literal('hub')])
})
export type Membership = Static<typeof Membership>

/** Position of a lost connection, from which a session resumes. */
export interface ResumePoint {
  readonly since: Offset
  /** Null when the connection was lost before the start position in the inbox was resolved. */
  readonly inboxSince: Offset | null
  readonly acknowledged: Offset
  readonly groups: ReadonlyArray<readonly [Group, Membership]>
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
}

/**
 * A client's position in the log. Address and offset decide which messages the client receives, so a client that is
 * behind costs a few numbers, and the hub stores no messages for a single client.
 */
export class Cursor {
  /** See `StartPosition`. */
  readonly since: Offset
  /** See `StartPosition`; undefined until the start position is resolved. */
  inboxSince: Offset | undefined
  /** Groups of the client; null for a client without groups. */
  groups: Map<Group, Membership> | null
  /** While the client is behind: all messages up to this offset have been queued for the client. */
  position: Offset
  /** The client has acknowledged all messages up to this offset. */
  acknowledged: Offset
  /** The client has been notified of the loss of messages up to this offset. */
  gapUpTo: Offset = 0
  /** Offset of the last queued message that the client has to acknowledge. */
  inboxSent: Offset = 0
  /** Whether the connection continues an earlier connection. */
  readonly isContinued: boolean
  /** Whether the start position is resolved. Most resumed connections know the start position from the beginning. */
  isStartResolved = false
  /**
   * The ack probe in flight: the payload of the expected pong, and the offset that this pong acknowledges; null without
   * a probe.
   */
  pendingProbe: { readonly offset: Offset, readonly pong: string } | null = null

  constructor (start: StartPosition, isContinued = false) {
    const { since, inboxSince, position = 0, acknowledged = 0, groups = [] } = start
    this.since = since
    this.inboxSince = inboxSince
    this.groups = groups.length === 0 ? null : new Map(groups)
    this.position = position
    this.acknowledged = acknowledged
    this.isContinued = isContinued
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
  static resumed ({ since, inboxSince, acknowledged, groups }: ResumePoint): Cursor {
    const inbox = inboxSince === null ? {} : { inboxSince }
    const cursor = new Cursor({ since, position: acknowledged, acknowledged, groups, ...inbox }, true)
    cursor.isStartResolved = inboxSince !== null
    return cursor
  }

  /**
   * Returns the offset above which the client receives messages to an address; Infinity for a group without the client.
   */
  floor (address: Address): Offset {
    if ('user' in address) return this.inboxSince ?? this.since
    if ('group' in address) return this.groups?.get(address.group)?.since ?? Infinity
    return this.since
  }

  /** Returns the parts of the log that the client receives and that have not been queued for the client yet. */
  sources (client: ClientId, user: UserId): Source[] {
    const addresses: Address[] = [{ all: true }, { user }, { client }]
    for (const group of this.groups?.keys() ?? []) addresses.push({ group })
    return addresses.map((address) => ({ address, after: Math.max(this.floor(address), this.position) }))
  }
}
