import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { Connection } from '../hub/outbox/connection.ts'

/** A WebSocket as the hub sees it: frames are written to the stream below it, control stays with the `ws` library. */
export class WsConnection implements Connection {
  readonly stream: Duplex
  readonly address: string
  readonly #socket: WebSocket

  constructor (socket: WebSocket, stream: Duplex, address: string | undefined) {
    // @fastify/websocket terminates at an error, which would cut the Close frame off that says why.
    socket.removeAllListeners('error')
    // And a socket without a listener for errors would end the process, should it fail before it has another.
    socket.on('error', () => {})
    this.#socket = socket
    this.stream = stream
    // An injected connection has none.
    this.address = address ?? ''
  }

  get isOpen (): boolean {
    return this.#socket.readyState === WebSocket.OPEN
  }

  get bytesRead (): number | undefined {
    return 'bytesRead' in this.stream && typeof this.stream.bytesRead === 'number' ? this.stream.bytesRead : undefined
  }

  close (code: number, reason: string): void {
    this.#socket.close(code, reason)
  }

  terminate (): void {
    this.#socket.terminate()
  }

  pause (): void {
    this.#socket.pause()
  }

  resume (): void {
    this.#socket.resume()
  }
}
