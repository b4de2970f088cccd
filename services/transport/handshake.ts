import type { IncomingHttpHeaders } from 'node:http'
import { BEARER_SUBPROTOCOL, offeredSubprotocols } from '../auth/credentials.ts'
import { HubError } from '../model/errors.ts'

/** The only version of the WebSocket protocol (RFC 6455 section 4.4). */
export const WEBSOCKET_VERSION = '13'

/** A token of HTTP (RFC 9110 section 5.6.2), the form of a subprotocol name. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/
/** A Sec-WebSocket-Key: 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/

/** Marks a request whose client gets the first subprotocol of its offer. */
const kTakesFirst = Symbol('fastify-hub.takes-first-subprotocol')

interface Handshake {
  readonly httpVersion: string
  readonly headers: IncomingHttpHeaders
  [kTakesFirst]?: true
}

/**
 * Makes `chooseSubprotocol` select the client's first subprotocol, known or unknown to the hub. The mark stands on the
 * request, because the `ws` library hands the same request to `chooseSubprotocol` later.
 */
export function takeFirstSubprotocol (handshake: Handshake): void {
  handshake[kTakesFirst] = true
}

/**
 * Selects the subprotocol for a client: the first supported one of its offer. False selects no subprotocol, as for a
 * raw client without an offer. A `bearer.` entry carries the token and is never selected, because the response would
 * repeat the token.
 */
export function chooseSubprotocol (
  offered: Iterable<string>,
  supported: readonly string[],
  handshake?: Handshake
): string | false {
  const names = [...offered].filter((name) => !name.startsWith(BEARER_SUBPROTOCOL))
  const chosen = handshake?.[kTakesFirst] === true ? names[0] : supported.find((name) => names.includes(name))
  return chosen ?? false
}

/** Whether a client offers a supported subprotocol, or carries its token in one as browsers do. */
export function offersSubprotocol (headers: IncomingHttpHeaders, supported: readonly string[]): boolean {
  return offeredSubprotocols(headers).some((name) => supported.includes(name) || name.startsWith(BEARER_SUBPROTOCOL))
}

/** One element of Sec-WebSocket-Extensions that the `ws` library can accept (RFC 7692 section 7.1). */
const DEFLATE_OFFER = new RegExp([
  '^permessage-deflate(\\s*;\\s*(',
  '(server|client)_no_context_takeover|server_max_window_bits="?(8|9|1[0-5])"?|client_max_window_bits(="?(8|9|1[0-5])"?)?',
  '))*$'
].join(''))

/**
 * Removes from the headers what the `ws` library answers with a refusal although a server may ignore it: empty elements
 * of lists (RFC 9110 section 5.6.1), and offers of extensions that cannot be met (RFC 6455 section 9.1).
 */
export function normalizeLists (headers: IncomingHttpHeaders): void {
  const subprotocols = offeredSubprotocols(headers)
  if (subprotocols.length > 0) headers['sec-websocket-protocol'] = subprotocols.join(', ')
  else delete headers['sec-websocket-protocol']
  const extensions = headers['sec-websocket-extensions']?.split(',').map((offer) => offer.trim()).filter(canBeMet) ?? []
  if (extensions.length > 0) headers['sec-websocket-extensions'] = extensions.join(', ')
  else delete headers['sec-websocket-extensions']
}

/** Whether an offer is one of compression, with each parameter once. */
function canBeMet (offer: string): boolean {
  const [, ...names] = offer.split(';').map((part) => part.split('=', 1)[0]?.trim())
  return DEFLATE_OFFER.test(offer) && new Set(names).size === names.length
}

/**
 * Checks the headers of a WebSocket handshake (RFC 6455 section 4.2.1).
 *
 * @param supported - subprotocols in order of preference.
 * @param isAnyTaken - whether a client that offers other subprotocols alone is accepted without one, as by older
 * services. A browser ends such a connection without a reason.
 * @throws {HubError} HUB_UPGRADE_REQUIRED for another protocol version, HUB_HANDSHAKE_INVALID for every other fault.
 */
export function checkHandshake (handshake: Handshake, supported: readonly string[], isAnyTaken = false): void {
  const { httpVersion, headers } = handshake
  if (httpVersion !== '1.1' || headers.host === undefined) {
    throw new HubError('HUB_HANDSHAKE_INVALID', 'Send the handshake as HTTP/1.1 with a "Host".')
  }
  // Node before 26 takes the body for the first frames, and Node 26 does not.
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
    throw new HubError('HUB_HANDSHAKE_INVALID', 'Send the handshake without a body.')
  }
  if (headers['sec-websocket-version'] !== WEBSOCKET_VERSION) {
    throw new HubError(
      'HUB_UPGRADE_REQUIRED',
      `Send "Sec-WebSocket-Version: ${WEBSOCKET_VERSION}"; this service speaks no other version.`
    )
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
    throw new HubError('HUB_HANDSHAKE_INVALID', 'Send a "Sec-WebSocket-Key" of 16 bytes in base64.')
  }
  const offered = offeredSubprotocols(headers)
  if (new Set(offered).size < offered.length || !offered.every((name) => TOKEN.test(name))) {
    throw new HubError('HUB_HANDSHAKE_INVALID', 'Offer each subprotocol once, in the letters of an HTTP token.')
  }
  if (offered.length === 0 || chooseSubprotocol(offered, supported, handshake) !== false) return
  const carriesToken = offered.some((name) => name.startsWith(BEARER_SUBPROTOCOL))
  if (carriesToken) {
    throw new HubError(
      'HUB_HANDSHAKE_INVALID',
      `Offer a subprotocol beside "bearer.…", such as "${supported.at(-1) ?? ''}": the token itself is never sent back as the one that was chosen.`
    )
  }
  if (isAnyTaken) return
  throw new HubError('HUB_HANDSHAKE_INVALID', `Offer one of the subprotocols ${supported.join(', ')}; or none, for raw.`)
}

/**
 * Refuses a browser page of a foreign origin (RFC 6454), so that the page of another site cannot use a visitor's
 * network or cookies. A program without an Origin header passes: its token decides.
 *
 * @param allowed - origins that pass; `*` lets every origin pass. The server's own origin always passes.
 * @throws {HubError} HUB_ORIGIN_REFUSED
 */
export function checkOrigin (headers: IncomingHttpHeaders, allowed: readonly string[]): void {
  if (isAllowedOrigin(headers, allowed)) return
  throw new HubError(
    'HUB_ORIGIN_REFUSED',
    'Pages of this origin may not connect; add it to websocket.allowedOrigins.'
  )
}

/** Whether `checkOrigin` lets a request pass. */
export function isAllowedOrigin ({ origin, host }: IncomingHttpHeaders, allowed: readonly string[]): boolean {
  return origin === undefined || allowed.includes('*') || allowed.includes(origin) || isSameOrigin(origin, host)
}

/**
 * Whether an origin is that of the addressed host. Browsers leave the default port out of an origin, and proxies may
 * add it to `Host`: both mean the same (RFC 9110 section 4.2.3).
 */
function isSameOrigin (origin: string, host = ''): boolean {
  if (!URL.canParse(origin)) return false
  const { protocol, host: expected } = new URL(origin)
  const addressed = `${protocol}//${host}`
  return expected !== '' && URL.canParse(addressed) && new URL(addressed).host === expected
}

/**
 * Whether a client can inflate messages that are compressed with the full window of 32 KiB. A client whose handshake
 * asked for a smaller window on either side (RFC 7692 section 7.1.2.1) gets uncompressed messages, which the RFC always
 * allows.
 *
 * @param agreed - extensions in the handshake response.
 * @param offered - extensions in the client's offer.
 * @param serverMaxWindowBits - window of the server's own configuration, as a power of two. Default 15.
 */
export function takesDeflated (agreed: string, offered = '', serverMaxWindowBits = 15): boolean {
  return agreed.includes('permessage-deflate') &&
    !offered.includes('server_max_window_bits') &&
    serverMaxWindowBits === 15
}
