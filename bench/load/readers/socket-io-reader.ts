import type { Reader, ReaderEvents, ReaderOptions } from './reader.ts'

interface Socket {
  /** Whether the server has sent the missed messages. */
  recovered: boolean
  io: { engine: { transport: { ws: { terminate: () => void } } } }
  connect: () => void
  on (event: 'connect' | 'disconnect' | 'connect_error', listener: () => void): void
  on (event: 'm', listener: (text: string) => void): void
}
interface SocketIoClient { io: (url: string, options: object) => Socket }

// Not named in the import statement: the package is in bench/node_modules only, and the type check must pass without
// it.
const name: string = 'socket.io-client'
const { io } = await import(name) as SocketIoClient

/** Socket.IO's own client, which sends its last offset to the server if the server gives messages offsets. */
export class SocketIoReader implements Reader {
  readonly #socket: Socket

  constructor ({ port }: ReaderOptions, events: ReaderEvents) {
    // The delay before reconnecting is the same for all kinds of readers.
    this.#socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], autoConnect: false, reconnection: false, forceNew: true })
    let isFirst = true
    this.#socket.on('connect', () => {
      if (!isFirst && !this.#socket.recovered) events.startedOver()
      isFirst = false
      events.opened()
    })
    this.#socket.on('m', (text) => events.message(text))
    this.#socket.on('disconnect', () => events.lost())
    this.#socket.on('connect_error', () => events.lost())
  }

  connect (): void {
    this.#socket.connect()
  }

  cut (): void {
    this.#socket.io.engine.transport.ws.terminate()
  }
}
