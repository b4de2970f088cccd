import { Writable } from 'node:stream'
import type { Engine } from '../../../../services/engine/engine.ts'
import { createMemoryEngine } from '../../../../services/engine/memory/engine.ts'
import type { Client } from '../../../../services/hub/clients/client.ts'
import { Hub } from '../../../../services/hub/hub.ts'
import { HubNode, type Admission, type StartRequest } from '../../../../services/hub/node.ts'
import type { Connection } from '../../../../services/hub/outbox/connection.ts'
import type { CloseCode } from '../../../../services/model/close-codes.ts'
import type { ClientId, Offset, UserId } from '../../../../services/model/message.ts'
import type { AcknowledgedBy, Protocol } from '../../../../services/protocol/protocol.ts'
import { isEngineSlow } from '../../../support/slow-engine.ts'
import { hubOptions, nextTick } from '../peer.ts'

const DAY_MS = 24 * 3_600_000
/** Time for which a lost connection may be resumed. */
export const RESUME_WINDOW_MS = 120_000
/** Turns of the event loop without a change after which a hub is at rest. */
const quietTurns = (): number => isEngineSlow() ? 25 : 5

/** A hub on the memory engine, with a clock that the test moves. No time passes by itself. */
export class Rig {
  readonly clock = { now: Date.UTC(2026, 0, 1), wall: () => this.clock.now, steady: () => this.clock.now }
  readonly engine: Engine
  readonly hub: Hub
  readonly #node: HubNode
  readonly #peers = new Set<Peer>()

  constructor () {
    const limits = { maxAgeMs: 365 * DAY_MS, maxCount: 1_000_000 }
    this.engine = createMemoryEngine({
      log: limits, inbox: limits, maxBytes: 2 ** 30, idempotencyWindowMs: DAY_MS, now: this.clock.wall
    })
    this.#node = new HubNode(hubOptions(this.engine, {
      // Cuts of the model follow each other at once, and clients acknowledge when the model says so.
      maxRedeliveries: 0,
      clock: this.clock,
      heartbeat: { pingPeriodMs: DAY_MS, maxUnanswered: 1000, readDeadlineMs: 0, writeDeadlineMs: 365 * DAY_MS },
      // Few and small, so that a client that does not read falls behind after some messages and catches up in pages.
      queue: { maxBytes: 100, maxWrites: 6, policy: 'catchUp' },
      resumeWindowMs: RESUME_WINDOW_MS,
      idempotencyWindowMs: DAY_MS
    }))
    this.hub = new Hub(this.#node)
    this.#node.start()
  }

  /** Connects a user. */
  connect (user: UserId, protocol: Protocol): Peer {
    const peer = new Peer(this.#node, protocol)
    this.#admit(user, {}, (admission) => peer.open(admission))
    return this.#add(peer)
  }

  /** Resumes a lost connection; null when the connection can no longer be resumed. */
  async resume (user: UserId, lost: Peer): Promise<Peer | null> {
    const { protocol, id, token } = lost
    const claim = { clientId: id, token, user, protocol: protocol.name }
    const peer = new Peer(this.#node, protocol)
    const isOpen = await new Promise((resolve) => {
      this.#admit(user, { claim }, (admission) => resolve(peer.open(admission)))
    })
    return isOpen === true ? this.#add(peer) : null
  }

  #admit (user: UserId, start: StartRequest, done: (admission: Admission) => void): void {
    this.#node.admit({ user, roles: [] }, start, (admission) => {
      if ('error' in admission) throw new Error('the hub did not admit the connection', { cause: admission.error })
      done(admission)
    })
  }

  #add (peer: Peer): Peer {
    this.#peers.add(peer)
    return peer
  }

  /** Resolves when the hub is at rest: no peer receives anything any more. */
  async settle (): Promise<void> {
    for (let quiet = 0, seen = -1; quiet < quietTurns();) {
      await nextTick()
      const now = [...this.#peers].reduce((sum, { frames }) => sum + frames, 0)
      quiet = now === seen ? quiet + 1 : 0
      seen = now
      for (const peer of this.#peers) {
        if (peer.isGone && peer.detach()) this.#peers.delete(peer)
      }
    }
  }

  async close (): Promise<void> {
    for (const peer of this.#peers) peer.cut()
    await this.settle()
    await this.hub.drain()
    await this.engine.close()
  }
}

/** The form of messages in these tests: one line a frame, the offset before the data. */
function protocolOf (acknowledgedBy: AcknowledgedBy): Protocol {
  const line = (...words: unknown[]): Buffer => Buffer.from(`${words.join(' ')}\n`)
  return {
    name: `model.${acknowledgedBy}`,
    acknowledgedBy,
    isResumable: acknowledgedBy === 'command',
    ping: line('ping'),
    pong: null,
    encodeGreeting: ({ clientId, resumeToken }) => line('greeting', clientId, resumeToken),
    decode: () => ({ kind: 'ignored' }),
    encode: ({ offset, payload }) => line('message', offset, payload.data),
    encodeReply: ({ data }) => line('reply', data),
    encodeResult: () => null,
    encodeProbe: (offset) => ({ bytes: line('probe', offset), pong: String(offset) }),
    encodeGap: ({ upTo }) => line('gap', upTo),
    encodeCloseNotice: () => null
  }
}

/** Clients acknowledge when they choose, and resume lost connections. */
export const byCommand = protocolOf('command')
/** Clients answer probes, as WebSocket stacks do by themselves. A lost connection cannot be resumed. */
export const byPong = protocolOf('pong')

/** A connection, and the program at its other end. */
export class Peer implements Connection {
  readonly stream: Writable
  readonly address = 'test'
  readonly bytesRead = 0
  readonly isEnded = false
  readonly protocol: Protocol
  /** Resume token from the greeting; empty before the greeting. */
  token = ''
  /** Offsets and data of the messages that the peer has read. */
  readonly read: Array<{ readonly offset: Offset, readonly data: string }> = []
  /** Gap notices that the peer has read. */
  gaps = 0
  /** The offset up to which the peer has acknowledged. */
  acknowledged: Offset = 0
  closedWith: number | null = null
  /** Everything that the peer has read or noticed. */
  frames = 0
  readonly #node: HubNode
  #client: Client | null = null
  #isCut = false
  #isFrozen = false
  #isDetached = false
  /** Writes that a frozen peer still reads. */
  #sips = 0
  #take: (() => void) | null = null

  constructor (node: HubNode, protocol: Protocol) {
    this.#node = node
    this.protocol = protocol
    this.stream = new Writable({
      highWaterMark: 100,
      write: (chunk: Buffer, _encoding, done) => {
        this.#take = () => {
          this.#take = null
          if (!this.isGone) this.#readLines(chunk)
          done()
        }
        if (this.#isFrozen) this.#sip()
        else this.#take()
      }
    })
  }

  /** The client that the hub has opened on this connection. */
  get client (): Client {
    if (this.#client === null) throw new Error('the hub has not opened the connection')
    return this.#client
  }

  get id (): ClientId {
    return this.client.id
  }

  /** Lets the hub open an admitted client on this connection. Returns false after a refusal. */
  open (admission: Admission): boolean {
    if (!('ticket' in admission)) return false
    this.#client = this.#node.open(admission.ticket, this, this.protocol)
    return true
  }

  get isOpen (): boolean {
    return !this.isGone
  }

  get isGone (): boolean {
    return this.#isCut || this.closedWith !== null
  }

  get isFrozen (): boolean {
    return this.#isFrozen
  }

  /** Stops reading. What the hub writes stays in the socket's buffer. */
  freeze (): void {
    this.#isFrozen = true
  }

  thaw (): void {
    this.#isFrozen = false
    this.#take?.()
  }

  /** Reads some writes of the hub, and then does not read on. */
  sip (writes: number): void {
    this.#sips = writes
    this.#sip()
  }

  /** Loses the connection. What was not read is lost. */
  cut (): void {
    this.#isCut = true
    this.frames++
  }

  acknowledge (offset: Offset): void {
    this.acknowledged = Math.max(this.acknowledged, offset)
    this.#node.acknowledge(this.client, offset)
  }

  /** Reports the end of the connection to the hub. Returns false when the end was reported before. */
  detach (): boolean {
    if (this.#isDetached) return false
    this.#isDetached = true
    this.thaw()
    this.#node.forget(this.client, { code: 1006, reason: '' })
    return true
  }

  close (code: CloseCode['code']): void {
    this.closedWith ??= code
    this.frames++
  }

  terminate (): void {
    this.closedWith ??= 1006
    this.frames++
  }

  #sip (): void {
    if (this.#sips === 0 || this.#take === null) return
    this.#sips--
    this.#take()
  }

  pause (): void {}
  resume (): void {}

  #readLines (chunk: Buffer): void {
    for (const line of chunk.toString().trimEnd().split('\n')) {
      const [word = '', first = '', second = ''] = line.split(' ')
      this.frames++
      if (word === 'greeting') this.token = second
      else if (word === 'message') this.read.push({ offset: Number(first), data: second })
      else if (word === 'gap') this.gaps++
      else if (word === 'probe' && this.protocol.acknowledgedBy === 'pong') this.#answer(first)
    }
  }

  #answer (payload: string): void {
    const offset = this.client.onPong(payload)
    if (offset !== null) this.acknowledge(offset)
  }
}
