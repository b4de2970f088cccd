import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../support/helper.ts'
import type { RawClient } from '../support/raw-client.ts'
import { connectFrozen, DISCONNECTS } from './disconnects.ts'
import { MIN_BYTES, type Stream } from './numbered.ts'
import { Random } from './random.ts'
import { Reader } from './reader.ts'
import type { Measures, TestMessage } from './server.ts'
import type { Service } from './service.ts'

const KIBIBYTE = 1024
/** Broadcasts that the readers may be behind before the publisher waits for them: far less than the kernel holds for each. */
const MAX_BEHIND = 60
/** Some 50 of these a second fill what the kernel holds for a client that does not read before the heartbeat finds out about it. */
const BULK_BYTES = 60 * KIBIBYTE

/** How much longer than it has to a crowd goes on when nothing has come of it yet. */
const EXTRA_MS = 30_000

/** How many of each kind there are at any time. */
export interface CrowdSize { readonly steady: number, readonly transient: number, readonly slow: number, readonly frozen: number, readonly churners: number }

/** Clients of all kinds and one publisher. What they do follows from the seed, but for who is faster. */
export class Crowd {
  /** Those that stay from the first message to the last. */
  readonly steady: Reader[] = []
  /** Those that read too slowly and are connected at the end. */
  readonly slow = new Map<string, Reader>()
  readonly published: Record<Stream, number> = { all: 0, steady: 0, slow: 0, frozen: 0 }
  readonly samples: Measures[] = []
  /** How many left in each way. */
  readonly disconnects: Record<string, number> = {}
  /** Clients that the broadcast that was for the fewestMatched was for. */
  fewestMatched = Infinity
  transientConnections = 0
  readonly #service: Service
  readonly #size: CrowdSize
  readonly #seed: number
  readonly #dropsFrames: boolean
  readonly #readers = new Set<Reader>()
  /** Readers that the publisher waits for, and the last broadcast before they came. */
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

  /** Whatever was wrong with a message or an end. */
  get faults (): string[] {
    return [...this.#faults, ...[...this.#readers].flatMap(({ faults }) => faults)]
  }

  /** Slow ones that lost messages or were cut. */
  get affectedSlow (): number {
    return [...this.#readers].filter(({ user, missing, isOpen }) => user.startsWith('slow') && (missing > 0 || !isOpen)).length
  }

  /** Lets them all come, and go on for some time and, if that does not take for ever, until `isEnough`. At the end the steady and the slow are still there, and the frozen, who do not notice anything. */
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
      // Whoever still wants to read something before it leaves gets it.
      await Promise.race([Promise.all(actors), publishing])
    } finally {
      this.#stopping.abort()
      this.#isPublisherStopped = true
      await ending
    }
    await publishing
  }

  /** One more broadcast when all is calm; resolves when it has reached everybody who is still there. */
  async publishLast (): Promise<void> {
    await this.#service.publish([this.#message('all', MIN_BYTES)], true)
    const all = [...this.steady, ...this.slow.values()].filter(({ isOpen }) => isOpen)
    await until(() => all.every((reader) => reader.last('all') === this.published.all), 'the last broadcast for everybody')
  }

  /** The frozen go without a word; without it, the service has to find out that they are frozen. */
  resetFrozen (): void {
    for (const client of this.#frozen.values()) client.reset()
  }

  /** Everybody goes. */
  async disconnect (): Promise<void> {
    this.resetFrozen()
    await Promise.all([...this.steady, ...this.slow.values()].filter(({ isOpen }) => isOpen).map((reader) => reader.disconnect()))
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

  /** Rounds of messages: a handful for everyone, some for the steady ones, and much for those that cannot take it. */
  async #publish (random: Random): Promise<void> {
    while (!this.#isPublisherStopped) {
      await until(() => [...this.#awaitedReaders].every(([reader, before]) => this.#hasRead(reader, before, this.published.all - MAX_BEHIND)), 'a round for all readers')
      const fewestMatched = await this.#service.publish(this.#round(random), random.next() < 0.5)
      this.fewestMatched = Math.min(this.fewestMatched, fewestMatched)
      await sleep(random.between(10, 60))
    }
  }

  #round (random: Random): TestMessage[] {
    const messages: TestMessage[] = []
    const bytes = () => random.between(MIN_BYTES, random.pick(60, 60, 1 * KIBIBYTE, 1 * KIBIBYTE, 8 * KIBIBYTE, random.pick(1, 1, 1, 60) * KIBIBYTE))
    for (let left = random.between(1, random.pick(6, 6, 30)); left > 0; left--) {
      messages.push(this.#message('all', bytes()))
      if (random.next() < 0.2) messages.push(this.#message('steady', bytes(), { users: ['steady'] }))
    }
    for (const stream of ['slow', 'frozen'] as const) {
      const users = this.#times(this.#size[stream], (n) => this.#user(stream, n))
      for (let left = random.between(1, 4); left > 0; left--) {
        messages.push(this.#message(stream, BULK_BYTES, { users, ...(random.next() < 0.5 ? { conflate: 'bulk' } : {}) }))
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

  /** Comes for some seconds, and misses nothing between. */
  async #connectBriefly (random: Random): Promise<void> {
    while (!this.#isStopping) {
      const reader = await this.#open('transient', ['all'])
      const before = this.published.all
      this.#awaitedReaders.set(reader, before)
      await this.#pause(random.between(200, 4000))
      const wanted = this.published.all
      await until(() => this.#hasRead(reader, before, wanted), 'all that was said before a visitor leaves')
      this.#awaitedReaders.delete(reader)
      if (reader.first('all') > before + 1) this.#faults.push(`a visitor who came after ${before} got ${reader.first('all')} first`)
      await reader.disconnect()
      this.transientConnections++
    }
  }

  /** Reads a little, pauses, reads on; comes again when it is cut for that. */
  async #readSlowly (user: string, random: Random): Promise<void> {
    let reader: Reader | undefined
    while (!this.#isStopping) {
      if (reader?.isOpen !== true) reader = await this.#open(user, ['all', 'slow'])
      this.slow.set(user, reader)
      const { socket, read } = reader
      const goal = read + random.between(1, 30)
      socket.resume()
      await until(() => reader?.isOpen !== true || reader.read >= goal || this.#isStopping, `something for ${user} to read`)
      socket.pause()
      await this.#pause(random.between(200, 2500))
    }
    reader?.socket.resume()
  }

  /** Reads nothing, until it is gone without a word; the one that is there at the end does not even go. */
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
    const reader = await Reader.open({ url: this.#service.url, user, streams, mayMiss: this.#dropsFrames && user.startsWith('slow') })
    this.#readers.add(reader)
    return reader
  }

  #hasRead (reader: Reader, before: number, wanted: number): boolean {
    if (!reader.isOpen) throw new Error(`A client that reads was cut after broadcast ${reader.last('all')}.`)
    return Math.max(reader.last('all'), before) >= wanted
  }

  #times<T> (count: number, make: (n: number) => T): T[] {
    return Array.from({ length: count }, (_, n) => make(n))
  }

  /** Of this crowd alone: what an earlier one has left in its inboxes is not for it. */
  #user (kind: 'slow' | 'frozen', n: number): string {
    return `${kind}-${this.#seed}-${n}`
  }

  #random (): Random {
    return new Random(this.#seed + this.#actors++)
  }

  /** Passes time, not to wait for anything but for the end. */
  async #pause (ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => {}) // The only failure is the end.
  }
}
