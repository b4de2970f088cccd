import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../support/helper.ts'
import type { RawClient } from '../support/raw-client.ts'
import { connectFrozen, DISCONNECTS } from './disconnects.ts'
import { MIN_BYTES, type Stream } from './numbered.ts'
import { Random } from '../support/random.ts'
import { Reader } from './reader.ts'
import type { Measures, TestMessage } from './server.ts'
import type { Service } from './service.ts'

const KIBIBYTE = 1024
/**
 * Broadcasts by which readers may be behind before the publisher waits: far less than the kernel buffers for each
 * reader.
 */
const MAX_BEHIND = 60
/**
 * Size of a large message. Some 50 of these a second fill the kernel buffers of a client that does not read, before the
 * heartbeat detects this client.
 */
const BULK_BYTES = 60 * KIBIBYTE

/** Time beyond the planned time that a crowd may continue until enough has happened. */
const EXTRA_MS = 30_000

/** Number of clients of each kind at any time. */
export interface CrowdSize {
  readonly steady: number
  readonly transient: number
  readonly slow: number
  readonly frozen: number
  readonly churners: number
}

/** Clients of all kinds and one publisher. The seed determines their actions; the timing depends on the machine. */
export class Crowd {
  /** Clients that stay connected from the first message to the last. */
  readonly steady: Reader[] = []
  /** Clients that read too slowly and are connected at the end, by user. */
  readonly slow = new Map<string, Reader>()
  readonly published: Record<Stream, number> = { all: 0, steady: 0, slow: 0, frozen: 0 }
  readonly samples: Measures[] = []
  /** Number of disconnects of each kind. */
  readonly disconnects: Record<string, number> = {}
  /** Matched clients of the broadcast that matched the fewest. */
  fewestMatched = Infinity
  transientConnections = 0
  readonly #service: Service
  readonly #size: CrowdSize
  readonly #seed: number
  readonly #dropsFrames: boolean
  readonly #readers = new Set<Reader>()
  /** Readers that the publisher waits for, each with the last broadcast before the connection. */
  readonly #awaitedReaders = new Map<Reader, number>()
  readonly #frozen = new Map<string, RawClient>()
  readonly #faults: string[] = []
  readonly #stopping = new AbortController()
  /** Whether the publisher stops, too. */
  #isPublisherStopped = false
  #actors = 0
  #order = 0

  constructor (service: Service, size: CrowdSize, { seed, dropsFrames }: { seed: number, dropsFrames: boolean }) {
    this.#service = service
    this.#size = size
    this.#seed = seed
    this.#dropsFrames = dropsFrames
    setMaxListeners(0, this.#stopping.signal)
  }

  /** Faults in messages and in the ends of connections. */
  get faults (): string[] {
    return [...this.#faults, ...[...this.#readers].flatMap(({ faults }) => faults)]
  }

  /** Number of slow connections that have lost messages, or that the service has disconnected. */
  get affectedSlow (): number {
    const slow = [...this.#readers].filter(({ user }) => user.startsWith('slow'))
    return slow.filter(({ isOpen, missing }) => !isOpen || missing > 0).length
  }

  /**
   * Connects all clients and keeps them active for some time, then until `isEnough`, but for a limited time. At the end
   * the steady and the slow clients are still connected, and the frozen clients, which cannot detect a disconnect.
   */
  async run (ms: number, isEnough: () => boolean): Promise<void> {
    await Promise.all(this.#times(this.#size.steady, async () => {
      const reader = await this.#open('steady', ['all', 'steady'])
      this.steady.push(reader)
      this.#awaitedReaders.set(reader, 0)
    }))
    const { transient, slow, frozen, churners } = this.#size
    const publishing = this.#publish(this.#random())
    const actors = [
      this.#sample(),
      ...this.#times(transient, () => this.#connectBriefly(this.#random())),
      ...this.#times(slow, (n) => this.#readSlowly(this.#user('slow', n), this.#random())),
      ...this.#times(frozen, (n) => this.#freeze(this.#user('frozen', n), this.#random())),
      ...this.#times(churners, () => this.#churn(this.#random()))
    ]
    const ending = this.#endAfter(ms, isEnough)
    try {
      // Before a disconnect, a client still receives the messages that the client waits for.
      await Promise.race([Promise.all(actors), publishing])
    } finally {
      this.#stopping.abort()
      this.#isPublisherStopped = true
      await ending
    }
    await publishing
  }

  /**
   * Publishes one more broadcast when no client acts any more; resolves when all connected clients have this message.
   */
  async publishLast (): Promise<void> {
    await this.#service.publish([this.#message('all', MIN_BYTES)], true)
    const all = [...this.steady, ...this.slow.values()].filter(({ isOpen }) => isOpen)
    const haveAll = () => all.every((reader) => reader.last('all') === this.published.all)
    await until(haveAll, 'the last broadcast for all clients')
  }

  /** Resets the connections of the frozen clients. Without a reset, the service has to detect the frozen clients. */
  resetFrozen (): void {
    for (const client of this.#frozen.values()) client.reset()
  }

  /** Disconnects all clients. */
  async disconnect (): Promise<void> {
    this.resetFrozen()
    const readers = [...this.steady, ...this.slow.values()].filter(({ isOpen }) => isOpen)
    await Promise.all(readers.map((reader) => reader.disconnect()))
  }

  get #isStopping (): boolean {
    return this.#stopping.signal.aborted
  }

  async #endAfter (ms: number, isEnough: () => boolean): Promise<void> {
    await this.#pause(ms)
    const deadline = Date.now() + EXTRA_MS
    while (!this.#isStopping && !isEnough() && Date.now() < deadline) await this.#pause(50)
    this.#stopping.abort()
  }

  /**
   * Publishes rounds of messages: a few for all clients, some for the steady clients, and more for slow and frozen
   * clients than these can take.
   */
  async #publish (random: Random): Promise<void> {
    while (!this.#isPublisherStopped) {
      const isReady = () => [...this.#awaitedReaders].every(([reader, before]) => {
        return this.#hasRead(reader, before, this.published.all - MAX_BEHIND)
      })
      await until(isReady, 'a round for all readers')
      const fewestMatched = await this.#service.publish(this.#round(random), random.next() < 0.5)
      this.fewestMatched = Math.min(this.fewestMatched, fewestMatched)
      await sleep(random.between(10, 60))
    }
  }

  #round (random: Random): TestMessage[] {
    const messages: TestMessage[] = []
    const maxBytes = () => random.pick(60, 60, KIBIBYTE, KIBIBYTE, 8 * KIBIBYTE, random.pick(1, 1, 1, 60) * KIBIBYTE)
    const bytes = () => random.between(MIN_BYTES, maxBytes())
    for (let left = random.between(1, random.pick(6, 6, 30)); left > 0; left--) {
      messages.push(this.#message('all', bytes()))
      if (random.next() < 0.2) messages.push(this.#message('steady', bytes(), { users: ['steady'] }))
    }
    for (const stream of ['slow', 'frozen'] as const) {
      const users = this.#times(this.#size[stream], (n) => this.#user(stream, n))
      for (let left = random.between(1, 4); left > 0; left--) {
        const options = random.next() < 0.5 ? { conflate: 'bulk' } : {}
        messages.push(this.#message(stream, BULK_BYTES, { users, ...options }))
      }
    }
    return messages
  }

  #message (stream: Stream, bytes: number, more: Pick<TestMessage, 'users' | 'conflate'> = {}): TestMessage {
    return { stream, number: ++this.published[stream], order: ++this.#order, bytes, ...more }
  }

  async #sample (): Promise<void> {
    while (!this.#isStopping) {
      this.samples.push(await this.#service.measure())
      await this.#pause(500)
    }
  }

  /** Connects for some seconds at a time, and receives all messages of this time. */
  async #connectBriefly (random: Random): Promise<void> {
    while (!this.#isStopping) {
      const reader = await this.#open('transient', ['all'])
      const before = this.published.all
      this.#awaitedReaders.set(reader, before)
      await this.#pause(random.between(200, 4000))
      const wanted = this.published.all
      await until(() => this.#hasRead(reader, before, wanted), 'all messages before a transient client disconnects')
      this.#awaitedReaders.delete(reader)
      if (reader.first('all') > before + 1) {
        this.#faults.push(`a transient client that connected after ${before} got ${reader.first('all')} first`)
      }
      await reader.disconnect()
      this.transientConnections++
    }
  }

  /** Reads a little, pauses, and reads on; connects again after the service has disconnected the slow client. */
  async #readSlowly (user: string, random: Random): Promise<void> {
    let reader: Reader | undefined
    while (!this.#isStopping) {
      if (reader?.isOpen !== true) reader = await this.#open(user, ['all', 'slow'])
      this.slow.set(user, reader)
      const { socket, read } = reader
      const goal = read + random.between(1, 30)
      socket.resume()
      const isReady = () => reader?.isOpen !== true || reader.read >= goal || this.#isStopping
      await until(isReady, `something for ${user} to read`)
      socket.pause()
      await this.#pause(random.between(200, 2500))
    }
    reader?.socket.resume()
  }

  /**
   * Connects a client that never reads, and resets the connection after a while; at the end the client stays connected.
   */
  async #freeze (user: string, random: Random): Promise<void> {
    while (!this.#isStopping) {
      const client = await connectFrozen(this.#service.port, user)
      this.#frozen.set(user, client)
      await this.#pause(random.between(1000, 6000))
      if (!this.#stopping.signal.aborted) client.reset()
    }
  }

  async #churn (random: Random): Promise<void> {
    const [first = '', ...others] = Object.keys(DISCONNECTS)
    while (!this.#isStopping) {
      const kind = random.pick(first, ...others)
      await DISCONNECTS[kind]?.(this.#service.port, random)
      this.disconnects[kind] = (this.disconnects[kind] ?? 0) + 1
      await this.#pause(random.between(0, 150))
    }
  }

  async #open (user: string, streams: Stream[]): Promise<Reader> {
    const mayMiss = this.#dropsFrames && user.startsWith('slow')
    const reader = await Reader.open({ url: this.#service.url, user, streams, mayMiss })
    this.#readers.add(reader)
    return reader
  }

  #hasRead (reader: Reader, before: number, wanted: number): boolean {
    if (!reader.isOpen) throw new Error(`A reading client was disconnected after broadcast ${reader.last('all')}.`)
    return Math.max(reader.last('all'), before) >= wanted
  }

  #times<T> (count: number, make: (n: number) => T): T[] {
    return Array.from({ length: count }, (_, n) => make(n))
  }

  /** Name of a user of this crowd alone: the inbox holds no messages of an earlier crowd. */
  #user (kind: 'slow' | 'frozen', n: number): string {
    return `${kind}-${this.#seed}-${n}`
  }

  #random (): Random {
    return new Random(this.#seed + this.#actors++)
  }

  /** Passes time, until the crowd stops at the latest. */
  async #pause (ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => {}) // Only the abort rejects the sleep.
  }
}
