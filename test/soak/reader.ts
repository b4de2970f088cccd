import { once } from 'node:events'
import { WebSocket } from 'ws'
import { GREETING, token, until } from '../support/helper.ts'
import { parse, type Stream } from './numbered.ts'

/** How a reader connects, and what it may expect. */
export interface ReaderOptions {
  readonly url: string
  readonly user: string
  /** The streams that are for it; a message of any other is a fault. */
  readonly streams: readonly Stream[]
  /** Whether numbers may be missing, because the service drops what a slow client does not take. */
  readonly mayMiss?: boolean
}

/** A client that checks every message: that it is for it, whole, in order, not the second of its number, and that none is missing before it. */
export class Reader {
  readonly socket: WebSocket
  /** What was wrong, in words. */
  readonly faults: string[] = []
  /** Numbers that were left out between others. */
  missing = 0
  /** Messages that came. */
  read = 0
  readonly #options: ReaderOptions
  readonly #firsts = new Map<Stream, number>()
  readonly #lasts = new Map<Stream, number>()
  #order = 0
  #isGreeted = false

  constructor (options: ReaderOptions) {
    this.#options = options
    this.socket = new WebSocket(`${options.url}?token=${token({ user: options.user })}`, { perMessageDeflate: false })
    this.socket.on('error', () => {}) // A client that is cut or refused sees its end; whoever waits for it looks at that.
    this.socket.on('message', (data, isBinary) => this.#check(data as Buffer, isBinary))
  }

  /** A reader that has been greeted: from now on it misses nothing. */
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

  /** The first and the last number of a stream that came; 0 for none. */
  first (stream: Stream): number {
    return this.#firsts.get(stream) ?? 0
  }

  last (stream: Stream): number {
    return this.#lasts.get(stream) ?? 0
  }

  /** Says goodbye, and notes a fault when that is not answered. */
  async disconnect (): Promise<void> {
    if (!this.isOpen) return this.#addFault('was cut')
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
    // The first ones tell; after them, everything is wrong.
    if (this.faults.length < 5) this.faults.push(`${this.user} ${what}`)
  }
}
