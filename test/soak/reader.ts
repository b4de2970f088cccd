import { once } from 'node:events'
import { WebSocket } from 'ws'
import { GREETING, token, until } from '../support/helper.ts'
import { parse, type Stream } from './numbered.ts'

/** Connection of a reader, and the expected messages. */
export interface ReaderOptions {
  readonly url: string
  readonly user: string
  /** The streams of this client; a message of any other stream is a fault. */
  readonly streams: readonly Stream[]
  /** Whether numbers may be missing, because the service drops messages of a slow client. */
  readonly mayMiss?: boolean
}

/**
 * A client that checks every message: the message is for this client, unchanged, in order and not repeated, and no
 * earlier message is missing.
 */
export class Reader {
  readonly socket: WebSocket
  /** Faults, in words. */
  readonly faults: string[] = []
  /** Count of numbers that are missing between received ones. */
  missing = 0
  /** Count of received messages. */
  read = 0
  readonly #options: ReaderOptions
  readonly #firsts = new Map<Stream, number>()
  readonly #lasts = new Map<Stream, number>()
  #order = 0
  #isGreeted = false

  constructor (options: ReaderOptions) {
    this.#options = options
    this.socket = new WebSocket(`${options.url}?token=${token({ user: options.user })}`, { perMessageDeflate: false })
    this.socket.on('error', () => {}) // The close event follows every error.
    this.socket.on('message', (data, isBinary) => this.#check(data as Buffer, isBinary))
  }

  /** Resolves with a reader that has received the greeting: from this point on, no message may be missing. */
  static async open (options: ReaderOptions): Promise<Reader> {
    const reader = new Reader(options)
    await until(() => reader.#isGreeted, `the greeting of ${options.user}`)
    return reader
  }

  get user (): string {
    return this.#options.user
  }

  get isOpen (): boolean {
    return this.socket.readyState === WebSocket.OPEN
  }

  /** The first number of a stream that was received; 0 without one. `last` does the same for the last number. */
  first (stream: Stream): number {
    return this.#firsts.get(stream) ?? 0
  }

  last (stream: Stream): number {
    return this.#lasts.get(stream) ?? 0
  }

  /** Sends a close frame, and records a fault unless the service answers. */
  async disconnect (): Promise<void> {
    if (!this.isOpen) return this.#addFault('was disconnected')
    const closed = once(this.socket, 'close') as Promise<[number, Buffer]>
    this.socket.close(1000)
    const [code] = await closed
    if (code !== 1000) this.#addFault(`was closed with ${code}`)
  }

  #check (data: Buffer, isBinary: boolean): void {
    if (!this.#isGreeted) {
      this.#isGreeted = data.toString() === GREETING
      if (!this.#isGreeted) this.#addFault('was not greeted first')
      return
    }
    const message = parse(data, isBinary)
    if (message === null) return this.#addFault(`got a message that was changed: ${data.toString('latin1', 0, 48)}`)
    const { stream, number, order } = message
    const last = this.#lasts.get(stream)
    if (!this.#options.streams.includes(stream)) this.#addFault(`got ${stream} ${number}, which is not for it`)
    if (order <= this.#order) this.#addFault(`got message ${order} after ${this.#order}`)
    if (last !== undefined && number !== last + 1) {
      this.missing += Math.max(0, number - last - 1)
      if (number <= last || this.#options.mayMiss !== true) this.#addFault(`got ${stream} ${number} after ${last}`)
    }
    if (last === undefined) this.#firsts.set(stream, number)
    this.#lasts.set(stream, number)
    this.#order = order
    this.read++
  }

  #addFault (what: string): void {
    // The first faults show the cause; later ones follow from them.
    if (this.faults.length < 5) this.faults.push(`${this.user} ${what}`)
  }
}
