// The floor in Node: no library; the frame is built once, and all frames of one tick reach a socket in one write.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'
import { listen } from './listen.ts'
import { serve } from './serve.ts'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11' // RFC 6455, 1.3
const sockets = new Set<Duplex>()
const pending: Buffer[] = []
const http = createServer()

http.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${GUID}`).digest('base64')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  socket.on('error', () => socket.destroy())
  socket.on('close', () => sockets.delete(socket))
  socket.resume()
  sockets.add(socket)
})

serve({
  port: await listen(http),
  broadcast (payload) {
    if (pending.length === 0) queueMicrotask(flush)
    pending.push(frame(payload))
  }
})

function flush (): void {
  const bytes = Buffer.concat(pending)
  pending.length = 0
  for (const socket of sockets) socket.write(bytes)
}

// RFC 6455, 5.2: a final text frame with a 16-bit length.
function frame (payload: string): Buffer {
  const body = Buffer.from(payload)
  return Buffer.concat([Buffer.from([0x81, 126, body.length >> 8, body.length & 0xff]), body])
}
