import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { Connection } from '../hub/outbox/connection.ts'

/**
 * The hub's view of a WebSocket: the outbox writes frames to the TCP stream, the `ws` library handles control frames.
 */
export class WsConnection implements Connection {
  /** TCP or TLS stream below the WebSocket, for complete frames. */
  readonly stream: Duplex
  /** IP address of the client; '' for a connection that `injectWS` made for a test. */
  readonly address: string
  readonly #socket: WebSocket

  constructor (socket: WebSocket, stream: Duplex, address: string | undefined) {
    // The listener of @fastify/websocket terminates the socket, and the Close frame with the reason would be lost.
    socket.removeAllListeners('error')
    // Without an error listener, a socket that fails before `addWebSocketEndpoint` adds its own would end the process.
    socket.on('error', () => {})
    this.#socket = socket
    this.stream = stream
    this.address = address ?? ''
  }

  /** Whether frames can be written: before the closing handshake. */
  get isOpen (): boolean {
    return this.#socket.readyState === WebSocket.OPEN
  }

  /** Whether the stream below the WebSocket has closed. */
  get isEnded (): boolean {
    return this.stream.closed
  }

  /** Bytes received so far; the heartbeat counts any growth as a sign of life. Undefined for an injected stream. */
  get bytesRead (): number | undefined {
    return 'bytesRead' in this.stream && typeof this.stream.bytesRead === 'number' ? this.stream.bytesRead : undefined
  }

  /** Starts the closing handshake with a code and a reason of at most 123 bytes (RFC 6455 section 5.5.1). */
  close (code: number, reason: string): void {
    this.#socket.close(code, reason)
  }

  /** Destroys the socket without a closing handshake. */
  terminate (): void {
    this.#socket.terminate()
  }

  /** Stops reading from the client. */
  pause (): void {
    this.#socket.pause()
  }

  /** Reads from the client again. */
  resume (): void {
    this.#socket.resume()
  }
}
