import type { IncomingHttpHeaders } from 'node:http'
import { isAllowedOrigin } from '../handshake.ts'

/** Request headers that a page may set for an event stream, beside those that every page may set. */
const ALLOWED_HEADERS = 'authorization, last-event-id, cache-control'
/** Seconds for which a browser remembers the response to a preflight. */
const MAX_AGE_SECONDS = 600

/**
 * The headers that let a page read a response (WHATWG Fetch section 3.3.5); none for a page of a foreign origin, and
 * for a request without an origin. An origin that is listed by name may send cookies, too.
 *
 * @param allowed Origins of the configuration; `*` for all.
 */
export function corsHeaders (headers: IncomingHttpHeaders, allowed: readonly string[]): Record<string, string> {
  const { origin } = headers
  if (origin === undefined || !isAllowedOrigin(headers, allowed)) return {}
  return {
    'access-control-allow-origin': origin,
    ...(allowed.includes(origin) ? { 'access-control-allow-credentials': 'true' } : {})
  }
}

/** Further headers of the response to a preflight: a GET with these headers may follow. */
export const PREFLIGHT_HEADERS = {
  'access-control-allow-methods': 'GET',
  'access-control-allow-headers': ALLOWED_HEADERS,
  'access-control-max-age': String(MAX_AGE_SECONDS)
}

/** A header `vary` with one more name. `present`: the value that a hook of the application has set. */
export function varyWith (present: string | number | string[] | undefined, name: string): string {
  const text = String(present ?? '')
  const names = text.split(',').map((one) => one.trim().toLowerCase())
  if (names.includes(name) || names.includes('*')) return text
  return text === '' ? name : `${text}, ${name}`
}
