import type { ServerResponse } from 'node:http'
import { constants, type Http2ServerResponse } from 'node:http2'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { Connection } from '../hub/outbox/connection.ts'
import { mayRetry } from '../model/close-codes.ts'

/** Ends a response so that its client takes the connection for lost. An injected response has no connection. */
function cut (response: ServerResponse | Http2ServerResponse): void {
  if ('stream' in response) response.stream.close(constants.NGHTTP2_CANCEL)
  else if (response.socket instanceof Socket) response.destroy()
  else response.end()
}

/** An HTTP response that stays open and carries Server-Sent Events, in one direction only. */
export class SseConnection implements Connection {
  /** Stream for the encoded events: the body of the response. */
  readonly stream: Writable
  /** IP address of the client. */
  readonly address: string
  /** Undefined: an SSE client sends no bytes, so the heartbeat cannot judge a client by its silence. */
  readonly bytesRead = undefined
  readonly #response: ServerResponse

  constructor (response: ServerResponse, address: string) {
    // Without an error listener, a failing socket would end the process.
    response.on('error', () => {})
    this.#response = response
    this.stream = response
    this.address = address
  }

  /** Whether events can still be written. */
  get isOpen (): boolean {
    return !this.#response.writableEnded && !this.#response.destroyed
  }

  /**
   * Ends the response. HTTP has no close code; the close notice of the protocol carries the reason. Some clients take
   * the orderly end of a response for the end of all, so a client that may reconnect is cut off behind its last bytes.
   */
  close (code: number): void {
    if (!mayRetry(code)) return void this.#response.end()
    // An empty write calls back when the bytes before have left.
    this.#response.write('', () => cut(this.#response))
  }

  /** Destroys the socket; unsent events are lost. */
  terminate (): void {
    this.#response.destroy()
  }

  /** Has no effect: there is no input to pause. */
  pause (): void {}

  /** Has no effect: there is no input to resume. */
  resume (): void {}
}
