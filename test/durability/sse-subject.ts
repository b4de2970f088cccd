import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { token } from '../support/helper.ts'
import { addressesOf, beforeReturn, noConnections, type Subject, type SubjectOptions } from './subject.ts'

/** A client of Server-Sent Events (WHATWG HTML section 9.2) that names the last event it had when it comes again. */
export class SseSubject implements Subject {
  readonly kind = 'sse' as const
  readonly user: string
  readonly witness: SubjectOptions['witness']
  readonly link: SubjectOptions['link']
  readonly counts = noConnections()
  readonly #options: SubjectOptions
  #lastId: string
  #request: ClientRequest | null = null
  #isStopped = false

  /** `after`: where in the log it begins, when that is not where the log ends. */
  constructor (options: SubjectOptions, after = 0) {
    this.user = options.user
    this.witness = options.witness
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
    sent.on('error', () => {}) // An end like any other.
    sent.on('response', (response) => { this.#read(response) })
    sent.on('close', () => {
      // Before its first event there is nothing that it could name.
      if (this.#lastId === '') this.witness.lose()
      setTimeout(() => { this.start() }, beforeReturn(random))
    })
    sent.end()
  }

  stop (): void {
    this.#isStopped = true
    this.#request?.destroy()
  }

  #read (response: IncomingMessage): void {
    // It is away, or does not take clients just now.
    if (response.statusCode !== 200) {
      if (response.statusCode !== 503) this.witness.blame(`was answered with ${String(response.statusCode)}`)
      response.resume()
      return
    }
    let rest = ''
    let id = this.#lastId
    let event = ''
    let data: string[] = []
    response.setEncoding('utf8')
    response.on('error', () => {}) // An end like any other.
    response.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line === ': connected') this.#greet()
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

  #greet (): void {
    if (this.#lastId === '' || this.witness.stretches.length === 0) {
      this.counts.opened++
      this.witness.begin()
      this.witness.hears(...addressesOf(this.#options))
    } else {
      this.counts.resumed++
    }
    this.#options.tripwire.touch('greeted')
  }

  #dispatch (event: string, id: string, data: readonly string[]): void {
    this.#lastId = id
    if (data.length === 0 || event === 'goodbye') return
    if (event !== '') return this.witness.blame(`got an event "${event}": ${data.join(' ')}`)
    this.witness.get(data.join('\n'), Number(id))
  }
}
