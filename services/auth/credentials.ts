import type { IncomingHttpHeaders } from 'node:http'

/** What a subprotocol that carries a token begins with. */
export const BEARER_SUBPROTOCOL = 'bearer.'

/** The subprotocols that a client offers, in its order (RFC 6455 section 4.1). */
export function offeredSubprotocols (headers: IncomingHttpHeaders): string[] {
  const header = headers['sec-websocket-protocol']
  if (header === undefined) return []
  return header.split(',').map((name) => name.trim()).filter((name) => name !== '')
}

/**
 * The token that a request carries: in `Authorization: Bearer` (RFC 6750 section 2.1), as a subprotocol
 * `bearer.<token>` for browsers, which cannot set headers, or as `?token=` or `?access_token=`. Null when there is none.
 */
export function findToken (headers: IncomingHttpHeaders, query: unknown): string | null {
  const [, bearer] = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? []
  if (bearer !== undefined) return bearer
  const offered = offeredSubprotocols(headers).find((name) => name.startsWith(BEARER_SUBPROTOCOL))
  if (offered !== undefined) return offered.slice(BEARER_SUBPROTOCOL.length)
  return firstValue(query, 'token') ?? firstValue(query, 'access_token')
}

function firstValue (query: unknown, name: string): string | null {
  if (typeof query !== 'object' || query === null || !Object.hasOwn(query, name)) return null
  const value: unknown = (query as Record<string, unknown>)[name]
  const first: unknown = Array.isArray(value) ? value[0] : value
  return typeof first === 'string' && first !== '' ? first : null
}
