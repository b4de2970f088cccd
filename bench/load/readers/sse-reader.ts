import { get, type ClientRequest, type IncomingMessage } from 'node:http'
import type { Reader, ReaderEvents, ReaderOptions } from './reader.ts'

/** A client of Server-Sent Events (WHATWG HTML, 9.2) that sends the id of its last event when it reconnects. */
export class SseReader implements Reader {
  readonly #options: ReaderOptions
  readonly #events: ReaderEvents
  #request: ClientRequest | undefined
  #lastId = ''

  constructor (options: ReaderOptions, events: ReaderEvents) {
    this.#options = options
    this.#events = events
  }

  connect (): void {
    const { port, path } = this.#options
    const headers = this.#lastId === '' ? {} : { 'last-event-id': this.#lastId }
    this.#request = get({ port, host: '127.0.0.1', path, headers, agent: false }, (response) => this.#read(response))
    this.#request.on('error', () => {}) // The close event follows.
    this.#request.on('close', () => this.#events.lost())
  }

  cut (): void {
    this.#request?.destroy()
  }

  #read (response: IncomingMessage): void {
    let rest = ''
    response.setEncoding('utf8')
    response.on('error', () => {}) // The request closes, too.
    if (response.statusCode !== 200) {
      this.cut()
      return
    }
    this.#events.opened()
    response.on('data', (text: string) => {
      const events = (rest + text).split('\n\n')
      rest = events.pop() ?? ''
      for (const event of events) this.#dispatch(event.split('\n'))
    })
  }

  #dispatch (lines: string[]): void {
    const value = (name: string): string | undefined => lines.find((line) => line.startsWith(name))?.slice(name.length)
    this.#lastId = value('id: ') ?? this.#lastId
    const data = value('data: ')
    const type = value('event: ')
    if (type === 'gap') this.#events.startedOver()
    else if (type === undefined && data !== undefined) this.#events.message(data)
  }
}
