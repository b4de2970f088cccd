import { WebSocket } from 'ws'
import { token } from '../support/helper.ts'
import { addressesOf, beforeReturn, noConnections, RELIABLE_SUBPROTOCOL, type Subject, type SubjectOptions } from './subject.ts'

/** A session that the hub keeps for the client. */
interface Session {
  readonly id: string
  token: string
  /** When the last greeting came, in ms since the epoch. */
  greetedAt: number
  last: number
}

/** Frames that the hub sends, as far as this client looks at them. */
interface Frame {
  readonly type: string
  readonly event?: string
  readonly connectionId?: string
  readonly reconnectionToken?: string
  readonly ackId?: number
  readonly success?: boolean
  readonly sequenceId?: number
  readonly data?: string
}

/** What this client does of its own accord, beside what every client does. */
export interface ReliableOptions {
  /** Between two acknowledgements; Infinity for a client that never acknowledges. */
  readonly acknowledgeMs: number
  /** Groups that it joins by itself. */
  readonly joins: readonly string[]
  /** A group that it joins and leaves, over and over; '' for none. */
  readonly wavers: string
}

/**
 * A client that does what the specification of the reliable subprotocol says and nothing more: it drops what it has, tells
 * what it has, comes back with its id and token, and starts over at close code 1008.
 */
export class ReliableSubject implements Subject {
  readonly kind = 'reliable' as const
  readonly user: string
  readonly witness: SubjectOptions['witness']
  readonly link: SubjectOptions['link']
  readonly counts = noConnections()
  /** When the hub refused to resume a session, and when it had last greeted it, in ms since the epoch. */
  readonly refusals: Array<{ readonly at: number, readonly greetedAt: number }> = []
  readonly #options: SubjectOptions & ReliableOptions
  readonly #timers: NodeJS.Timeout[] = []
  /** Requests that are not answered yet, by ackId. */
  readonly #asked = new Map<number, { readonly type: 'joinGroup' | 'leaveGroup', readonly group: string }>()
  #socket: WebSocket | null = null
  #session: Session | null = null
  #acknowledged = 0
  #ids = 0
  #isStopped = false

  constructor (options: SubjectOptions & ReliableOptions) {
    this.user = options.user
    this.witness = options.witness
    this.link = options.link
    this.#options = options
  }

  start (): void {
    const { acknowledgeMs, random, wavers } = this.#options
    if (acknowledgeMs !== Infinity) this.#timers.push(setInterval(() => { this.#acknowledge() }, acknowledgeMs))
    if (wavers !== '') this.#timers.push(setInterval(() => { this.#waver(wavers) }, random.between(300, 700)))
    this.#connect()
  }

  stop (): void {
    this.#isStopped = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#socket?.terminate()
  }

  #connect (): void {
    if (this.#isStopped) return
    const claimed = this.#session
    const socket = new WebSocket(this.#url(), [RELIABLE_SUBPROTOCOL], { perMessageDeflate: false, handshakeTimeout: 5000 })
    this.#socket = socket
    socket.on('error', () => {}) // An end like any other.
    socket.on('message', (data) => { this.#read(JSON.parse((data as Buffer).toString()) as Frame) })
    socket.on('close', (code) => {
      if (code === 1008) this.#startOver(claimed)
      setTimeout(() => { this.#connect() }, beforeReturn(this.#options.random))
    })
  }

  #url (): string {
    const { device, link: { port }, user } = this.#options
    const url = new URL(`ws://127.0.0.1:${port}/admin/ws`)
    url.searchParams.set('token', token({ user, roles: ['webpubsub.joinLeaveGroup'] }))
    if (device !== '') url.searchParams.set('device', device)
    if (this.#session !== null) {
      url.searchParams.set('awps_connection_id', this.#session.id)
      url.searchParams.set('awps_reconnection_token', this.#session.token)
    }
    return url.href
  }

  #read (frame: Frame): void {
    const { type, event, sequenceId = 0, data = '' } = frame
    if (type === 'system' && event === 'connected') return this.#greet(frame.connectionId ?? '', frame.reconnectionToken ?? '')
    if (type === 'system') return
    if (this.#session === null) return this.witness.blame(`was not greeted first: ${JSON.stringify(frame).slice(0, 80)}`)
    if (type === 'ack') return this.#hear(frame)
    if (type !== 'message') return this.witness.blame(`got a ${type}`)
    if (sequenceId <= this.#session.last) return this.witness.drop(data, sequenceId)
    this.#session.last = sequenceId
    this.witness.get(data, sequenceId)
  }

  #greet (id: string, reconnectionToken: string): void {
    if (this.#session === null) {
      this.#session = { id, token: reconnectionToken, greetedAt: Date.now(), last: 0 }
      this.counts.opened++
      this.witness.begin()
      this.witness.hears(...addressesOf(this.#options))
      for (const group of this.#options.joins) this.#asked.set(++this.#ids, { type: 'joinGroup', group })
    } else {
      if (id !== this.#session.id) this.witness.blame(`resumed ${this.#session.id} and got ${id}`)
      this.#session.token = reconnectionToken
      this.#session.greetedAt = Date.now()
      this.counts.resumed++
    }
    // Whatever was not answered is asked again.
    for (const ackId of this.#asked.keys()) this.#ask(ackId)
    this.#options.tripwire.touch('greeted')
  }

  /** The session is gone, and with it what it was in. */
  #startOver (claimed: Session | null): void {
    if (claimed !== null) this.refusals.push({ at: Date.now(), greetedAt: claimed.greetedAt })
    this.counts.startedOver++
    this.#session = null
    this.#acknowledged = 0
    this.#asked.clear()
    this.witness.lose()
  }

  #acknowledge (): void {
    const last = this.#session?.last ?? 0
    if (last <= this.#acknowledged || this.#socket?.readyState !== WebSocket.OPEN) return
    this.#acknowledged = last
    this.#socket.send(JSON.stringify({ type: 'sequenceAck', sequenceId: last }))
  }

  #waver (group: string): void {
    if (this.#session === null || this.#asked.size > 0) return
    const address = `group:${group}`
    const isMember = this.witness.isAt(address)
    if (isMember) this.witness.ignores(address)
    this.#asked.set(++this.#ids, { type: isMember ? 'leaveGroup' : 'joinGroup', group })
    this.#ask(this.#ids)
  }

  #ask (ackId: number): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ ...this.#asked.get(ackId), ackId }))
  }

  #hear ({ ackId = 0, success }: Frame): void {
    const asked = this.#asked.get(ackId)
    if (asked === undefined) return
    if (success !== true) this.witness.blame(`may not ${asked.type} ${asked.group}`)
    this.#asked.delete(ackId)
    if (asked.type !== 'joinGroup') return
    this.witness.hears(`group:${asked.group}`)
    this.#options.tripwire.touch('joined')
  }
}
