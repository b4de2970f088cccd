import type { IncomingHttpHeaders } from 'node:http'
import { BEARER_SUBPROTOCOL, offeredSubprotocols } from '../auth/credentials.ts'
import { HubError } from '../model/errors.ts'

/** The one version of the protocol there is (RFC 6455 section 4.4). */
export const WEBSOCKET_VERSION = '13'

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/
const KEY = /^[+/0-9A-Za-z]{22}==$/

/** Marks requests whose client gets the first subprotocol that it offers. */
const kTakesFirst = Symbol('fastify-hub.takes-first-subprotocol')

interface Handshake {
  readonly httpVersion: string
  readonly headers: IncomingHttpHeaders
  [kTakesFirst]?: true
}

/** From now on this client gets the first subprotocol that it offers, whatever that means to it: `ws` passes this request to `chooseSubprotocol`. */
export function takeFirstSubprotocol (handshake: Handshake): void {
  handshake[kTakesFirst] = true
}

/** The subprotocol for a client that offers these, or false for none: a raw client need not offer any. A token is never sent back. */
export function chooseSubprotocol (offered: Iterable<string>, supported: readonly string[], handshake?: Handshake): string | false {
  const names = [...offered].filter((name) => !name.startsWith(BEARER_SUBPROTOCOL))
  const chosen = handshake?.[kTakesFirst] === true ? names[0] : supported.find((name) => names.includes(name))
  return chosen ?? false
}

/** Throws a HubError that says what is wrong with a WebSocket handshake (RFC 6455 section 4.2.1). */
export function checkHandshake (handshake: Handshake, supported: readonly string[]): void {
  const { httpVersion, headers } = handshake
  if (httpVersion !== '1.1' || headers.host === undefined) {
    throw new HubError('HUB_HANDSHAKE_INVALID', 'Send the handshake as HTTP/1.1 with a "Host".')
  }
  if (headers['sec-websocket-version'] !== WEBSOCKET_VERSION) {
    throw new HubError('HUB_UPGRADE_REQUIRED', `Send "Sec-WebSocket-Version: ${WEBSOCKET_VERSION}"; this service speaks no other version.`)
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
    throw new HubError('HUB_HANDSHAKE_INVALID', 'Send a "Sec-WebSocket-Key" of 16 bytes in base64.')
  }
  const offered = offeredSubprotocols(headers)
  if (new Set(offered).size < offered.length || !offered.every((name) => TOKEN.test(name))) {
    throw new HubError('HUB_HANDSHAKE_INVALID', 'Offer each subprotocol once, in the letters of an HTTP token.')
  }
  if (offered.some((name) => name.startsWith(BEARER_SUBPROTOCOL)) && chooseSubprotocol(offered, supported, handshake) === false) {
    throw new HubError('HUB_HANDSHAKE_INVALID', `Offer a subprotocol such as "${supported.at(-1) ?? ''}" beside "bearer.…": the token itself is never sent back as the one that was chosen.`)
  }
}

/**
 * Throws HUB_ORIGIN_REFUSED for a browser page of a foreign origin (RFC 6454), so that no other site's page can use a
 * visitor's network or cookies. Programs that send no Origin are let through: their token is what counts.
 */
export function checkOrigin (headers: IncomingHttpHeaders, allowed: readonly string[]): void {
  const { origin, host } = headers
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return
  if (URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()) return
  throw new HubError('HUB_ORIGIN_REFUSED', 'Pages of this origin may not connect; add it to websocket.allowedOrigins.')
}

/**
 * Whether a client that has been answered with these extensions can read messages compressed with the full window. Where
 * either side asked for a smaller one (RFC 7692 section 7.1.2.1), it gets messages uncompressed, which is always allowed.
 */
export function takesDeflated (agreed: string, offered = '', serverMaxWindowBits = 15): boolean {
  return agreed.includes('permessage-deflate') && !offered.includes('server_max_window_bits') && serverMaxWindowBits === 15
}
