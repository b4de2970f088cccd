import { WebSocket } from 'ws'
import { token } from '../support/helper.ts'
import {
  addressesOf, newConnectionCounts, reconnectDelayMs, RELIABLE_SUBPROTOCOL, type Subject, type SubjectOptions
} from './subject.ts'

/** A session that the hub keeps for the client. */
interface Session {
  readonly id: string
  token: string
  /** Time of the last greeting, in ms since the epoch. */
  greetedAt: number
  last: number
}

/** Fields of the frames of the hub that this client reads. */
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

/** Actions of this client, beside those of every client. */
export interface ReliableOptions {
  /** Interval of the acknowledgements; Infinity for a client that never acknowledges. */
  readonly acknowledgeMs: number
  /** Groups that the client joins itself. */
  readonly joins: readonly string[]
  /** A group that the client joins and leaves, over and over; '' to disable. */
  readonly toggledGroup: string
}

/**
 * A client that follows the specification of the reliable subprotocol exactly: it drops repeated messages,
 * acknowledges, resumes with its id and token, and starts over at close code 1008.
 */
export class ReliableSubject implements Subject {
  readonly kind = 'reliable' as const
  readonly user: string
  readonly recorder: SubjectOptions['recorder']
  readonly link: SubjectOptions['link']
  readonly counts = newConnectionCounts()
  /** Times when the hub refused to resume a session, and the last greeting of this session, in ms since the epoch. */
  readonly refusals: Array<{ readonly at: number, readonly greetedAt: number }> = []
  readonly #options: SubjectOptions & ReliableOptions
  readonly #timers: NodeJS.Timeout[] = []
  /** Requests without an acknowledgement so far, by ackId. */
  readonly #pendingRequests = new Map<number, { readonly type: 'joinGroup' | 'leaveGroup', readonly group: string }>()
  #socket: WebSocket | null = null
  #session: Session | null = null
  #acknowledged = 0
  #ids = 0
  #isStopped = false

  constructor (options: SubjectOptions & ReliableOptions) {
    this.user = options.user
    this.recorder = options.recorder
    this.link = options.link
    this.#options = options
  }

  start (): void {
    const { acknowledgeMs, random, toggledGroup } = this.#options
    if (acknowledgeMs !== Infinity) this.#timers.push(setInterval(() => { this.#acknowledge() }, acknowledgeMs))
    if (toggledGroup !== '') {
      this.#timers.push(setInterval(() => { this.#toggle(toggledGroup) }, random.between(300, 700)))
    }
    this.#connect()
  }

  stop (): void {
    this.#isStopped = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#socket?.terminate()
  }

  #connect (): void {
    if (this.#isStopped) return
    const attempted = this.#session
    const socket = new WebSocket(this.#url(), [RELIABLE_SUBPROTOCOL], {
      perMessageDeflate: false,
      handshakeTimeout: 5000
    })
    this.#socket = socket
    socket.on('error', () => {}) // The close event follows every error.
    socket.on('message', (data) => { this.#read(JSON.parse((data as Buffer).toString()) as Frame) })
    socket.on('close', (code) => {
      if (code === 1008) this.#startOver(attempted)
      setTimeout(() => { this.#connect() }, reconnectDelayMs(this.#options.random))
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
    if (type === 'system' && event === 'connected') {
      return this.#onGreeting(frame.connectionId ?? '', frame.reconnectionToken ?? '')
    }
    if (type === 'system') return
    if (this.#session === null) {
      return this.recorder.addFault(`was not greeted first: ${JSON.stringify(frame).slice(0, 80)}`)
    }
    if (type === 'ack') return this.#onAck(frame)
    if (type !== 'message') return this.recorder.addFault(`got a ${type}`)
    if (sequenceId <= this.#session.last) return this.recorder.recordDropped(data, sequenceId)
    this.#session.last = sequenceId
    this.recorder.record(data, sequenceId)
  }

  #onGreeting (id: string, reconnectionToken: string): void {
    if (this.#session === null) {
      this.#session = { id, token: reconnectionToken, greetedAt: Date.now(), last: 0 }
      this.counts.opened++
      this.recorder.beginSegment()
      this.recorder.subscribed(...addressesOf(this.#options))
      for (const group of this.#options.joins) this.#pendingRequests.set(++this.#ids, { type: 'joinGroup', group })
    } else {
      if (id !== this.#session.id) this.recorder.addFault(`resumed ${this.#session.id} and got ${id}`)
      this.#session.token = reconnectionToken
      this.#session.greetedAt = Date.now()
      this.counts.resumed++
    }
    // A resumed session repeats the requests without an acknowledgement.
    for (const ackId of this.#pendingRequests.keys()) this.#sendRequest(ackId)
    this.#options.crashTrigger.reach('greeted')
  }

  /** Starts over without the session: its group memberships are lost, too. */
  #startOver (attempted: Session | null): void {
    if (attempted !== null) this.refusals.push({ at: Date.now(), greetedAt: attempted.greetedAt })
    this.counts.startedOver++
    this.#session = null
    this.#acknowledged = 0
    this.#pendingRequests.clear()
    this.recorder.endSegment()
  }

  #acknowledge (): void {
    const last = this.#session?.last ?? 0
    if (last <= this.#acknowledged || this.#socket?.readyState !== WebSocket.OPEN) return
    this.#acknowledged = last
    this.#socket.send(JSON.stringify({ type: 'sequenceAck', sequenceId: last }))
  }

  #toggle (group: string): void {
    if (this.#session === null || this.#pendingRequests.size > 0) return
    const address = `group:${group}`
    const isMember = this.recorder.isSubscribed(address)
    if (isMember) this.recorder.unsubscribing(address)
    this.#pendingRequests.set(++this.#ids, { type: isMember ? 'leaveGroup' : 'joinGroup', group })
    this.#sendRequest(this.#ids)
  }

  #sendRequest (ackId: number): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return
    this.#socket.send(JSON.stringify({ ...this.#pendingRequests.get(ackId), ackId }))
  }

  #onAck ({ ackId = 0, success }: Frame): void {
    const request = this.#pendingRequests.get(ackId)
    if (request === undefined) return
    if (success !== true) this.recorder.addFault(`may not ${request.type} ${request.group}`)
    this.#pendingRequests.delete(ackId)
    if (request.type !== 'joinGroup') return
    this.recorder.subscribed(`group:${request.group}`)
    this.#options.crashTrigger.reach('joined')
  }
}
