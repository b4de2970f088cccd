import { queryValues } from '../auth/credentials.ts'
import type { ResumeClaim } from '../hub/store/sessions.ts'
import { HubError } from '../model/errors.ts'
import type { UserId } from '../model/message.ts'

const MAX_DEVICE_LENGTH = 64
const DEVICE = /^[\w.:-]+$/
const OFFSET = /^\d{1,16}$/

/**
 * The device name of a connecting client, from `?device=phone`; '' without one.
 *
 * @throws {HubError} HUB_REQUEST_INVALID for a name with more than 64 characters or with other characters than `\w.:-`.
 */
export function deviceFromQuery (query: unknown): string {
  const device = parameter(query, 'device')
  if (device !== '' && (device.length > MAX_DEVICE_LENGTH || !DEVICE.test(device))) {
    throw new HubError(
      'HUB_REQUEST_INVALID',
      `A device is named by 1 to ${MAX_DEVICE_LENGTH} letters, digits or any of ._:- characters.`
    )
  }
  return device
}

/** Whether a connecting client asks to resume a lost connection. */
export function wantsToResume (query: unknown): boolean {
  return parameter(query, 'awps_connection_id') !== ''
}

/**
 * The claim of a client that resumes a connection: connection id and token from the query, user and protocol from this
 * request.
 */
export function resumeClaimFromQuery (query: unknown, user: UserId, protocol: string): ResumeClaim {
  return {
    clientId: parameter(query, 'awps_connection_id'),
    token: parameter(query, 'awps_reconnection_token'),
    user,
    protocol
  }
}

/**
 * The offset after which a Server-Sent Events client continues: from the header `Last-Event-ID` (WHATWG HTML section
 * 9.2.5), or from `?lastEventId=` for a client that cannot set a header on the first request. Undefined without
 * either, and for a value that is no offset of this hub.
 */
export function lastEventId (header: string | string[] | undefined, query: unknown): number | undefined {
  const value = typeof header === 'string' && header !== '' ? header : parameter(query, 'lastEventId')
  return OFFSET.test(value) && Number.isSafeInteger(Number(value)) ? Number(value) : undefined
}

/** The value of a parameter that occurs once; '' for an absent and for a repeated parameter. */
function parameter (query: unknown, name: string): string {
  const [value = '', ...others] = queryValues(query, name)
  return others.length === 0 ? value : ''
}
