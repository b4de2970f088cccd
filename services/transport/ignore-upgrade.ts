import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { rawResponse } from './raw-response.ts'

/**
 * Node parses any number of headers but reports only about the first thousand. Behind this bound, Content-Length could
 * be among the unreported headers, and the rebuilt request would have a body of another length.
 */
const MAX_HEADERS = 500

/** The headers that `headOf` leaves out: they ask for the upgrade. */
const UPGRADE_HEADERS = new Set(['upgrade', 'http2-settings', 'connection'])

/**
 * Serves a request as if it had no Upgrade header; RFC 9110 section 7.8 lets a server ignore the header. Node has
 * detached its HTTP parser from the socket, so the request head is written back in front of the unread bytes, without
 * the upgrade headers, and the socket enters the server as a new connection.
 *
 * @param head - bytes that Node has read behind the request head.
 */
export function serveWithoutUpgrade (server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  if (request.rawHeaders.length / 2 >= Math.min(server.maxHeadersCount || MAX_HEADERS, MAX_HEADERS)) {
    const sentence = `Send fewer than ${MAX_HEADERS} headers with a request that asks for an upgrade.`
    socket.end(rawResponse('HUB_HEADERS_TOO_LARGE', sentence), () => socket.destroy())
    return
  }
  socket.unshift(Buffer.concat([Buffer.from(headOf(request), 'latin1'), head]))
  server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket)
}

/** The request line and the headers without the upgrade headers. Node's parser has validated each of these lines. */
function headOf ({ method = 'GET', url = '/', httpVersion, rawHeaders, headers }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (!UPGRADE_HEADERS.has(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[at + 1] ?? ''}`)
  }
  const isLast = /\bclose\b/i.test(headers.connection ?? '')
  lines.push(`Connection: ${isLast ? 'close' : 'keep-alive'}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}
