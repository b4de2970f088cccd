import { Type, type Static } from '@sinclair/typebox'
import type { Source } from '../../engine/engine.ts'
import type { Address, ClientId, Group, Offset, UserId } from '../../model/message.ts'

/** Why a client is in a group, and since when. */
export const Membership = Type.Object({
  /** The messages above this offset are for it. */
  since: Type.Integer(),
  /** Its own wish, its token, or the hub's application. */
  by: Type.Union([Type.Literal('client'), Type.Literal('token'), Type.Literal('hub')])
})
export type Membership = Static<typeof Membership>

/** The position of a lost connection, from which its session resumes. */
export interface ResumePoint {
  readonly since: Offset
  /** Null when the connection was lost before its position in the inbox was known. */
  readonly inboxSince: Offset | null
  readonly acknowledged: Offset
  readonly groups: ReadonlyArray<readonly [Group, Membership]>
}

/** Where in the log a connection begins. */
export interface StartPosition {
  /** What is said to everyone, and to this connection, concerns it above this offset. */
  readonly since: Offset
  /** The user's inbox concerns it above this offset; undefined: above what the user has acknowledged. */
  readonly inboxSince?: Offset
  /** The connection has everything up to here. */
  readonly position?: Offset
  readonly acknowledged?: Offset
  readonly groups?: ReadonlyArray<readonly [Group, Membership]>
}

/** Where a client is in the log. Which messages concern it is a matter of address and offset, so nothing is kept for it. */
export class Cursor {
  readonly since: Offset
  inboxSince: Offset | undefined
  /** The groups it is a member of. */
  groups: Map<Group, Membership> | null
  /** While the client is behind: it has been given everything up to here. */
  position: Offset
  /** The client has said that it has everything up to here. */
  acknowledged: Offset
  /** It has been told that messages up to here are gone. */
  gapUpTo: Offset = 0
  /** The last message of the user's inbox that it was given. */
  inboxSent: Offset = 0
  /** Whether it goes on where an earlier connection was. */
  readonly isContinued: boolean
  /** Whether it has been found out what the connection begins with; one that is resumed mostly knows. */
  isLocated = false
  /** What its next pong is expected to say, and for which offset; null while none is awaited. */
  pendingProbe: { readonly offset: Offset, readonly pong: string } | null = null

  constructor ({ since, inboxSince, position = 0, acknowledged = 0, groups = [] }: StartPosition, isContinued = false) {
    this.since = since
    this.inboxSince = inboxSince
    this.groups = groups.length === 0 ? null : new Map(groups)
    this.position = position
    this.acknowledged = acknowledged
    this.isContinued = isContinued
  }

  /** Of a new connection, when the log is at `head`; it may say that it has everything up to an offset. */
  static at (head: Offset, after?: Offset): Cursor {
    // Nobody can have what has not been said.
    if (after === undefined || after > head) return new Cursor({ since: head })
    return new Cursor({ since: after, inboxSince: after, position: after }, true)
  }

  /** Of a new connection that goes on where its mailbox is. It does not say itself what it has, so nothing ends it when some of that is gone. */
  static since (offset: Offset): Cursor {
    return new Cursor({ since: offset, inboxSince: offset, acknowledged: offset })
  }

  /** Of a connection that goes on where it was. */
  static resumed ({ since, inboxSince, acknowledged, groups }: ResumePoint): Cursor {
    const cursor = new Cursor({ since, position: acknowledged, acknowledged, groups, ...(inboxSince === null ? {} : { inboxSince }) }, true)
    cursor.isLocated = inboxSince !== null
    return cursor
  }

  /** Messages of an address concern the client above this offset. */
  floor (address: Address): Offset {
    if ('user' in address) return this.inboxSince ?? this.since
    if ('group' in address) return this.groups?.get(address.group)?.since ?? Infinity
    return this.since
  }

  /** What of the log concerns the client and has not been given to it. */
  sources (client: ClientId, user: UserId): Source[] {
    const addresses: Address[] = [{ all: true }, { user }, { client }]
    for (const group of this.groups?.keys() ?? []) addresses.push({ group })
    return addresses.map((address) => ({ address, after: Math.max(this.floor(address), this.position) }))
  }
}
