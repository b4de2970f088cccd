import type { Group, Offset } from '../../model/message.ts'
import type { Client } from '../clients/client.ts'
import type { Membership } from '../clients/cursor.ts'
import { MAX_GROUPS, hasGroupRight } from '../clients/permissions.ts'
import type { Memberships } from './memberships.ts'
import type { InboxCursors } from './inbox-cursors.ts'
import type { EverythingCursors } from './everything-cursors.ts'
import type { Registry } from '../clients/registry.ts'
import type { Sessions } from './sessions.ts'
import { EVERYTHING } from './keys.ts'

/** Who knows what a connection begins with, and who has to. */
export interface StartPositionParts {
  readonly inboxes: InboxCursors
  readonly mailboxes: EverythingCursors
  readonly memberships: Memberships
  readonly registry: Registry
  readonly sessions: Sessions
}

/** Finds out what a connection that has just been opened begins with: its place in the inbox, and its groups. */
export async function resolveStart (client: Client, { inboxes, mailboxes, memberships, registry, sessions }: StartPositionParts): Promise<void> {
  const { cursor, device, identity } = client
  // It may have been removed before this connection was there to be ended with it.
  if (device === EVERYTHING && !await mailboxes.has(identity.user)) await mailboxes.open(identity.user)
  const [acknowledged, { joined, left }] = await Promise.all([cursor.inboxSince ?? inboxes.acknowledged(identity.user, device), memberships.of(identity.user)])
  if (cursor.inboxSince === undefined) cursor.inboxSince = cursor.acknowledged = acknowledged
  // A connection that is resumed stays only where it still may be.
  for (const [group, { by }] of cursor.groups ?? []) {
    const isAllowed = by === 'hub' || identity.groups?.includes(group) === true || (by === 'client' && hasGroupRight('joinLeaveGroup', group, identity))
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
