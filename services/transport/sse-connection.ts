import type { ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import type { Connection } from '../hub/outbox/connection.ts'

/** A response that does not end: what is written to it are the events. Nothing comes back on it. */
export class SseConnection implements Connection {
  readonly stream: Writable
  readonly address: string
  /** Nothing comes in, so nobody can be blamed for silence. */
  readonly bytesRead = undefined
  readonly #response: ServerResponse

  constructor (response: ServerResponse, address: string) {
    // A response without a listener for errors would end the process when its socket fails.
    response.on('error', () => {})
    this.#response = response
    this.stream = response
    this.address = address
  }

  get isOpen (): boolean {
    return !this.#response.writableEnded && !this.#response.destroyed
  }

  /** There is no close code: the protocol's last word has said why. */
  close (): void {
    this.#response.end()
  }

  terminate (): void {
    this.#response.destroy()
  }

  pause (): void {}

  resume (): void {}
}
