import type { Group, UserId } from './message.ts'

/** Who a token stands for. */
export interface Identity {
  readonly user: UserId
  /** `admin` may use the REST API and the console. */
  readonly roles: readonly string[]
  /** Groups to join on connecting. */
  readonly groups?: readonly Group[]
  /** When the token ends, in ms since the epoch; without it the connection may stay for ever. */
  readonly expiresAt?: number | undefined
}

/** The role that the REST API and the console ask for. */
export const ADMIN_ROLE = 'admin'
