import type { ServerResponse } from 'node:http'
import { constants, type Http2ServerResponse } from 'node:http2'
import { Socket } from 'node:net'
import type { Duplex, Writable } from 'node:stream'
import type { Connection } from '../hub/outbox/connection.ts'
import { mayRetry } from '../model/close-codes.ts'

/** Ends a response so that its client takes the connection for lost. An injected response has no connection. */
function cut (response: ServerResponse | Http2ServerResponse): void {
  if ('stream' in response) response.stream.close(constants.NGHTTP2_CANCEL)
  else if (response.socket instanceof Socket) response.destroy()
  else response.end()
}

/**
 * Whether a request is pipelined behind a request whose response has not ended (RFC 9112 section 9.3.2). Node gives its
 * response a socket later, or never, and then emits no `close` on the response.
 */
export function isPipelined (response: ServerResponse | Http2ServerResponse): boolean {
  return networkOf(response) === null
}

/** The stream of HTTP/2 or the socket below a response; null for a pipelined request. */
function networkOf (response: ServerResponse | Http2ServerResponse): Duplex | null {
  return 'stream' in response ? response.stream : response.socket
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
  /** The socket: a response that has ended no longer names it. */
  readonly #network: Duplex | null

  constructor (response: ServerResponse, address: string) {
    // Without an error listener, a failing socket would end the process.
    response.on('error', () => {})
    this.#response = response
    this.#network = networkOf(response)
    this.stream = response
    this.address = address
  }

  /** Whether events can still be written. */
  get isOpen (): boolean {
    return !this.#response.writableEnded && !this.isEnded
  }

  /** Whether the response or the network below it has ended. A response of HTTP/2 has no state of its own. */
  get isEnded (): boolean {
    return this.#response.destroyed || this.#network === null || this.#network.destroyed
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
