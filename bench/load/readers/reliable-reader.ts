import { WebSocket } from 'ws'
import type { Reader, ReaderEvents, ReaderOptions } from './reader.ts'

const SUBPROTOCOL = 'json.reliable.webpubsub.azure.v1'
const START_OVER = 1008
/** The acknowledgement interval of published clients. */
const ACKNOWLEDGE_MS = 1000

/** The fields of messages from the hub that this reader uses. */
interface Frame {
  event?: string
  connectionId?: string
  reconnectionToken?: string
  sequenceId?: number
  data?: string
}

/**
 * A client of the reliable subprotocol that works like published clients: it resumes with its id and token, drops
 * duplicates, and acknowledges.
 */
export class ReliableReader implements Reader {
  readonly #options: ReaderOptions
  readonly #events: ReaderEvents
  #socket: WebSocket | undefined
  /** The query that resumes the connection; empty before the first greeting. */
  #session = ''
  #last = 0
  #acknowledged = 0

  constructor (options: ReaderOptions, events: ReaderEvents) {
    this.#options = options
    this.#events = events
  }

  connect (): void {
    const { port, path } = this.#options
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}${this.#session}`, SUBPROTOCOL, { perMessageDeflate: false })
    const acknowledging = setInterval(() => this.#acknowledge(), ACKNOWLEDGE_MS)
    socket.on('open', () => this.#events.opened())
    socket.on('message', (data) => this.#take(JSON.parse((data as Buffer).toString()) as Frame))
    socket.on('error', () => {}) // The close event follows.
    socket.on('close', (code) => {
      clearInterval(acknowledging)
      if (code === START_OVER) this.#startOver()
      this.#events.lost()
    })
    this.#socket = socket
  }

  cut (): void {
    this.#socket?.terminate()
  }

  #take ({ event, connectionId, reconnectionToken, sequenceId, data }: Frame): void {
    if (event === 'connected') this.#session = `&awps_connection_id=${connectionId}&awps_reconnection_token=${reconnectionToken}`
    if (sequenceId === undefined || data === undefined) return
    if (sequenceId <= this.#last) return this.#events.repeated()
    this.#last = sequenceId
    this.#events.message(data)
  }

  #acknowledge (): void {
    if (this.#socket?.readyState !== WebSocket.OPEN || this.#last === this.#acknowledged) return
    this.#acknowledged = this.#last
    this.#socket.send(JSON.stringify({ type: 'sequenceAck', sequenceId: this.#last }))
  }

  #startOver (): void {
    this.#session = ''
    this.#events.startedOver()
  }
}
