import { HubError } from '../../model/errors.ts'
import { ADMIN_ROLE, MAX_GROUPS, type Identity } from '../../model/identity.ts'
import type { Group } from '../../model/message.ts'

/** Creates the error for a client or a user with 1000 groups that is to join a further group. */
export function tooManyGroups (): HubError {
  return new HubError('HUB_REQUEST_INVALID', `Nobody may be in more than ${MAX_GROUPS} groups; leave one first.`)
}

/** A right of a client on a group, which the roles of the token grant. */
export type GroupRight = 'joinLeaveGroup' | 'sendToGroup'

/**
 * Whether the roles of an identity grant a right on a group: `webpubsub.joinLeaveGroup` grants the right for all
 * groups, `webpubsub.joinLeaveGroup.news` for the group "news"; the admin role grants every right.
 */
export function hasGroupRight (right: GroupRight, group: Group, { roles }: Identity): boolean {
  const role = `webpubsub.${right}`
  return roles.some((one) => one === role || one === `${role}.${group}` || one === ADMIN_ROLE)
}

/**
 * Checks that the roles of an identity grant a right on a group (see `hasGroupRight`).
 *
 * @throws {HubError} HUB_FORBIDDEN when no role grants the right
 */
export function assertGroupRight (right: GroupRight, group: Group, identity: Identity): void {
  if (hasGroupRight(right, group, identity)) return
  const role = `webpubsub.${right}`
  throw new HubError('HUB_FORBIDDEN', `The token has no role "${role}" or "${role}." with the name of this group.`)
}
