import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { token } from '../support/helper.ts'
import { addressesOf, reconnectDelayMs, newConnectionCounts, type Subject, type SubjectOptions } from './subject.ts'

/** A client of Server-Sent Events (WHATWG HTML section 9.2) that sends the id of its last event when reconnecting. */
export class SseSubject implements Subject {
  readonly kind = 'sse' as const
  readonly user: string
  readonly recorder: SubjectOptions['recorder']
  readonly link: SubjectOptions['link']
  readonly counts = newConnectionCounts()
  readonly #options: SubjectOptions
  #lastId: string
  #request: ClientRequest | null = null
  #isStopped = false

  /** `after`: offset in the log from which the client reads; 0 for the end of the log. */
  constructor (options: SubjectOptions, after = 0) {
    this.user = options.user
    this.recorder = options.recorder
    this.link = options.link
    this.#options = options
    this.#lastId = after === 0 ? '' : `${after}`
  }

  start (): void {
    if (this.#isStopped) return
    const { device, link: { port }, random, user } = this.#options
    const path = `/admin/events?token=${token({ user })}${device === '' ? '' : `&device=${device}`}`
    const headers = this.#lastId === '' ? {} : { 'last-event-id': this.#lastId }
    const sent = request({ port, host: '127.0.0.1', path, headers, agent: false })
    this.#request = sent
    sent.on('error', () => {}) // The close event follows every error.
    sent.on('response', (response) => { this.#read(response) })
    sent.on('close', () => {
      // Before its first event, the client has no id to send.
      if (this.#lastId === '') this.recorder.endSegment()
      setTimeout(() => { this.start() }, reconnectDelayMs(random))
    })
    sent.end()
  }

  stop (): void {
    this.#isStopped = true
    this.#request?.destroy()
  }

  #read (response: IncomingMessage): void {
    // The hub is down or does not accept clients.
    if (response.statusCode !== 200) {
      if (response.statusCode !== 503) this.recorder.addFault(`got status ${String(response.statusCode)}`)
      response.resume()
      return
    }
    let rest = ''
    let id = this.#lastId
    let event = ''
    let data: string[] = []
    response.setEncoding('utf8')
    response.on('error', () => {}) // The close event follows every error.
    response.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line === ': connected') this.#onGreeting()
        else if (line.startsWith('id: ')) id = line.slice(4)
        else if (line.startsWith('event: ')) event = line.slice(7)
        else if (line.startsWith('data: ')) data.push(line.slice(6))
        else if (line === '') {
          this.#dispatch(event, id, data)
          event = ''
          data = []
        }
      }
    })
  }

  #onGreeting (): void {
    if (this.#lastId === '' || this.recorder.segments.length === 0) {
      this.counts.opened++
      this.recorder.beginSegment()
      this.recorder.subscribed(...addressesOf(this.#options))
    } else {
      this.counts.resumed++
    }
    this.#options.crashTrigger.reach('greeted')
  }

  #dispatch (event: string, id: string, data: readonly string[]): void {
    this.#lastId = id
    if (data.length === 0 || event === 'goodbye' || event === 'position') return
    if (event !== '') return this.recorder.addFault(`got an event "${event}": ${data.join(' ')}`)
    this.recorder.record(data.join('\n'), Number(id))
  }
}
