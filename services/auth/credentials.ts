import type { IncomingHttpHeaders } from 'node:http'

/** Prefix of a subprotocol that carries a token: `bearer.<token>`. */
export const BEARER_SUBPROTOCOL = 'bearer.'

/** The subprotocols that a client offers, in the client's order (RFC 6455 section 4.1). */
export function offeredSubprotocols (headers: IncomingHttpHeaders): string[] {
  const header = headers['sec-websocket-protocol']
  if (header === undefined) return []
  return header.split(',').map((name) => name.trim()).filter((name) => name !== '')
}

/**
 * The token of a request, from the first of these sources that has one: `Authorization: Bearer` (RFC 6750 section 2.1),
 * a subprotocol `bearer.<token>` for browsers, which cannot set headers, `?token=`, `?access_token=`.
 *
 * @param query The parsed query; the first value of a repeated parameter counts.
 * @returns The token, not verified; null when the request carries no token.
 */
export function findToken (headers: IncomingHttpHeaders, query: unknown): string | null {
  const [, bearer] = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? []
  if (bearer !== undefined) return bearer
  const offered = offeredSubprotocols(headers).find((name) => name.startsWith(BEARER_SUBPROTOCOL))
  if (offered !== undefined) return offered.slice(BEARER_SUBPROTOCOL.length)
  return queryValues(query, 'token')[0] || queryValues(query, 'access_token')[0] || null
}

/** The values of a query parameter, in the order of the query; an empty list without the parameter. */
export function queryValues (query: unknown, name: string): string[] {
  if (typeof query !== 'object' || query === null || !Object.hasOwn(query, name)) return []
  const value: unknown = (query as Record<string, unknown>)[name]
  const values: unknown[] = Array.isArray(value) ? value : [value]
  return values.filter((one) => typeof one === 'string')
}
