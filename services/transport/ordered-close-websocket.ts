import { WebSocket } from 'ws'

/**
 * A WebSocket that says `closing` right before its Close frame is written. The `ws` library answers a Close or a
 * malformed frame at once; without this, that answer would overtake what waits for the end of the tick, and everything
 * behind a Close frame is lost (RFC 6455 section 5.5.1).
 */
export class OrderedCloseWebSocket extends WebSocket {
  override close (code?: number, data?: string | Buffer): void {
    if (this.readyState === this.OPEN) this.emit('closing')
    super.close(code, data)
  }
}
