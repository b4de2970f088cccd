import { WebSocket } from 'ws'
import type { Reader, ReaderEvents, ReaderOptions } from './reader.ts'

/** A raw client: it reconnects with a plain new connection, and its library answers pings. */
export class RawReader implements Reader {
  readonly #options: ReaderOptions
  readonly #events: ReaderEvents
  #socket: WebSocket | undefined

  constructor (options: ReaderOptions, events: ReaderEvents) {
    this.#options = options
    this.#events = events
  }

  connect (): void {
    const { port, path } = this.#options
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: false })
    let isGreeted = false
    socket.on('open', () => this.#events.opened())
    socket.on('message', (data) => {
      if (isGreeted) this.#events.message((data as Buffer).toString())
      isGreeted = true // The greeting is the first frame.
    })
    socket.on('error', () => {}) // The close event follows.
    socket.on('close', () => this.#events.lost())
    this.#socket = socket
  }

  cut (): void {
    this.#socket?.terminate()
  }
}
