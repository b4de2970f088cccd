import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import type { Test } from 'tap'
import { token, until } from './helper.ts'

/** One event after parsing by the WHATWG algorithm. */
export interface Event { readonly event: string, readonly id: string, readonly data: string }

/**
 * A client of Server-Sent Events that collects the received events, without the events that only move its position. A
 * test can pause its response.
 */
export class EventClient {
  readonly events: Event[] = []
  readonly comments: string[] = []
  lastId = ''
  isEnded = false
  readonly request: ClientRequest
  readonly response: IncomingMessage
  #rest = ''
  #event = ''
  #data: string[] = []

  constructor (request: ClientRequest, response: IncomingMessage) {
    this.request = request
    this.response = response
    response.setEncoding('utf8')
    response.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) this.#take(line)
    })
    response.on('error', () => {})
    response.on('close', () => { this.isEnded = true })
  }

  get data (): string[] {
    return this.events.filter(({ event }) => event === 'message').map(({ data }) => data)
  }

  #take (line: string): void {
    if (line.startsWith(':')) this.comments.push(line)
    else if (line.startsWith('id: ')) this.lastId = line.slice(4)
    else if (line.startsWith('event: ')) this.#event = line.slice(7)
    else if (line.startsWith('data: ')) this.#data.push(line.slice(6))
    else if (line === '') {
      if (this.#data.length > 0 && this.#event !== 'position') this.events.push({ event: this.#event === '' ? 'message' : this.#event, id: this.lastId, data: this.#data.join('\n') })
      this.#event = ''
      this.#data = []
    }
  }
}

/** Connects and waits for the first comment. */
export function openEvents (t: Test, origin: string, { user = 'bob', after, query = '', bearer = token({ user }) }: { user?: string, after?: string, query?: string, bearer?: string } = {}): Promise<EventClient> {
  return new Promise((resolve, reject) => {
    const sent = request(`${origin}/admin/events?token=${bearer}${query}`, { agent: false, headers: after === undefined ? {} : { 'last-event-id': after } }, (response) => {
      const client = new EventClient(sent, response)
      t.teardown(() => sent.destroy())
      until(() => client.comments.length > 0).then(() => resolve(client), reject)
    })
    sent.on('error', () => {})
    sent.end()
  })
}
