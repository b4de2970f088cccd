import { HubError } from '../model/errors.ts'
import type { ResumeClaim } from '../hub/store/sessions.ts'
import type { UserId } from '../model/message.ts'

const MAX_DEVICE_LENGTH = 64
const OFFSET = /^\d{1,16}$/

/** The name that a client gives its device: `?device=phone`; '' when it gives none. Throws HUB_REQUEST_INVALID. */
export function deviceFromQuery (query: unknown): string {
  const device = parameter(query, 'device')
  if (device !== '' && (device.length > MAX_DEVICE_LENGTH || !/^[\w.:-]+$/.test(device))) {
    throw new HubError('HUB_REQUEST_INVALID', `A device is named by 1 to ${MAX_DEVICE_LENGTH} letters, digits or any of ._:- characters.`)
  }
  return device
}

/** Whether a client wants to go on where a connection was. */
export function wantsToResume (query: unknown): boolean {
  return parameter(query, 'awps_connection_id') !== ''
}

/** What a client shows to resume a connection. */
export function resumeClaimFromQuery (query: unknown, user: UserId, protocol: string): ResumeClaim {
  const [clientId, token] = [parameter(query, 'awps_connection_id'), parameter(query, 'awps_reconnection_token')]
  return { clientId, token, user, protocol }
}

/**
 * The position that a client of Server-Sent Events names: `Last-Event-ID` (WHATWG HTML section 9.2.5), or `?lastEventId=`
 * for clients that cannot set a header on their first request. Undefined when there is none, or none of ours.
 */
export function lastEventId (header: string | string[] | undefined, query: unknown): number | undefined {
  const value = typeof header === 'string' && header !== '' ? header : parameter(query, 'lastEventId')
  return OFFSET.test(value) && Number.isSafeInteger(Number(value)) ? Number(value) : undefined
}

function parameter (query: unknown, name: string): string {
  if (typeof query !== 'object' || query === null || !Object.hasOwn(query, name)) return ''
  const value: unknown = (query as Record<string, unknown>)[name]
  return typeof value === 'string' ? value : ''
}
