import { WebSocket } from 'ws'

/**
 * A WebSocket that emits `closing` right before the `ws` library writes a Close frame. The library responds to a Close
 * frame and to a malformed frame at once. A listener of `closing` writes the queued frames first: a client discards
 * every frame behind a Close frame (RFC 6455 section 5.5.1).
 */
export class OrderedCloseWebSocket extends WebSocket {
  /** Emits `closing` on an open socket, then starts the closing handshake. */
  override close (code?: number, data?: string | Buffer): void {
    if (this.readyState === this.OPEN) this.emit('closing')
    super.close(code, data)
  }
}
