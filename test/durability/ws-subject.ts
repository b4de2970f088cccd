import { WebSocket } from 'ws'
import { GREETING, token } from '../support/helper.ts'
import {
  addressesOf, newConnectionCounts, PLAIN_SUBPROTOCOL, reconnectDelayMs, type Subject, type SubjectOptions
} from './subject.ts'

/**
 * A WebSocket client that cannot report its last message: raw, or of the plain subprotocol. Within a connection no
 * message is missing. Of the messages published during a disconnect, the client receives the user's inbox, again after
 * each reconnect until a pong has reached the hub.
 */
export class WsSubject implements Subject {
  readonly kind: 'raw' | 'plain'
  readonly user: string
  readonly recorder: SubjectOptions['recorder']
  readonly link: SubjectOptions['link']
  readonly counts = newConnectionCounts()
  readonly #options: SubjectOptions
  readonly #url: string
  #socket: WebSocket | null = null
  #isStopped = false

  constructor (kind: 'raw' | 'plain', options: SubjectOptions) {
    this.kind = kind
    this.user = options.user
    this.recorder = options.recorder
    this.link = options.link
    this.#options = options
    const device = options.device === '' ? '' : `&device=${options.device}`
    this.#url = `ws://127.0.0.1:${options.link.port}/admin/ws?token=${token({ user: options.user })}${device}`
  }

  start (): void {
    if (this.#isStopped) return
    const subprotocols = this.kind === 'raw' ? [] : [PLAIN_SUBPROTOCOL]
    const socket = new WebSocket(this.#url, subprotocols, { perMessageDeflate: false, handshakeTimeout: 5000 })
    this.#socket = socket
    let isGreeted = false
    socket.on('error', () => {}) // The close event follows every error.
    socket.on('message', (data, isBinary) => {
      const text = (data as Buffer).toString()
      if (isBinary) return this.recorder.addFault('got a binary frame')
      if (isGreeted) return this.#read(text)
      isGreeted = true
      this.#onGreeting(text)
    })
    socket.on('close', () => {
      if (isGreeted) this.recorder.endSegment()
      setTimeout(() => { this.start() }, reconnectDelayMs(this.#options.random))
    })
  }

  stop (): void {
    this.#isStopped = true
    this.#socket?.terminate()
  }

  #onGreeting (text: string): void {
    const isRight = this.kind === 'raw' ? text === GREETING : text.startsWith('{"type":"system","event":"connected",')
    if (!isRight) this.recorder.addFault(`was not greeted first: ${text.slice(0, 80)}`)
    this.counts.opened++
    this.recorder.beginSegment()
    this.recorder.subscribed(...addressesOf(this.#options))
    this.#options.crashTrigger.reach('greeted')
  }

  #read (text: string): void {
    if (this.kind === 'raw') return this.recorder.record(text, null)
    const message = JSON.parse(text) as { type: string, data: string }
    if (message.type === 'message') this.recorder.record(message.data, null)
  }
}
