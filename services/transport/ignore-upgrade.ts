import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { rawResponse } from './raw-response.ts'

/** Node reads any number of headers but tells only the first thousand or so; the length of the body must not be among the others. */
const MAX_HEADERS = 500

/**
 * Hands a connection that Node gave up for an upgrade back to its server, as if the request had not asked for one, which
 * RFC 9110 section 7.8 leaves to the server. `head` is what had been read beyond the request's head.
 */
export function serveWithoutUpgrade (server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  if (request.rawHeaders.length / 2 >= Math.min(server.maxHeadersCount || MAX_HEADERS, MAX_HEADERS)) {
    socket.end(rawResponse('HUB_HEADERS_TOO_LARGE', `Send fewer than ${MAX_HEADERS} headers with a request that asks for an upgrade.`), () => socket.destroy())
    return
  }
  socket.unshift(Buffer.concat([Buffer.from(headOf(request), 'latin1'), head]))
  server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket)
}

const UPGRADE_HEADERS = new Set(['upgrade', 'http2-settings', 'connection'])

/** The request line and headers without those that ask for an upgrade. Node has checked every one of them. */
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
