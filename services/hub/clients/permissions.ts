import { HubError } from '../../model/errors.ts'
import { ADMIN_ROLE, type Identity } from '../../model/identity.ts'
import type { Group } from '../../model/message.ts'

/** Groups that a client may be in, and that a user may have for all connections. */
export const MAX_GROUPS = 1000

/** Says that somebody has as many groups as there may be. */
export function tooManyGroups (): HubError {
  return new HubError('HUB_REQUEST_INVALID', `Nobody may be in more than ${MAX_GROUPS} groups; leave one first.`)
}

/** What a client may do with a group by itself, by the roles of its token. */
export type GroupRight = 'joinLeaveGroup' | 'sendToGroup'

/** Whether the roles allow it. */
export function hasGroupRight (right: GroupRight, group: Group, { roles }: Identity): boolean {
  const role = `webpubsub.${right}`
  return roles.some((one) => one === role || one === `${role}.${group}` || one === ADMIN_ROLE)
}

/** Throws HUB_FORBIDDEN unless the roles allow it: `webpubsub.joinLeaveGroup` for all groups, `webpubsub.joinLeaveGroup.news` for one; an admin may do everything. */
export function assertGroupRight (right: GroupRight, group: Group, identity: Identity): void {
  if (hasGroupRight(right, group, identity)) return
  const role = `webpubsub.${right}`
  throw new HubError('HUB_FORBIDDEN', `The token has no role "${role}" or "${role}." with the name of this group.`)
}
