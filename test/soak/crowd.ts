import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../support/helper.ts'
import type { RawClient } from '../support/raw-client.ts'
import { freeze, WAYS } from './disconnects.ts'
import { MIN_BYTES, type Stream } from './numbered.ts'
import { Random } from './random.ts'
import { Reader } from './reader.ts'
import type { Measures, Saying } from './server.ts'
import type { Service } from './service.ts'

const KIBIBYTE = 1024
/** Broadcasts that the readers may be behind before the publisher waits for them: far less than the kernel holds for each. */
const AHEAD = 60
/** Some 50 of these a second fill what the kernel holds for a client that does not read before the heartbeat finds out about it. */
const BULK_BYTES = 60 * KIBIBYTE

/** How much longer than it has to a crowd goes on when nothing has come of it yet. */
const PATIENCE_MS = 30_000

/** How many of each kind there are at any time. */
export interface CrowdSize { readonly steady: number, readonly visitors: number, readonly slow: number, readonly frozen: number, readonly churners: number }

/** Clients of all kinds and one publisher. What they do follows from the seed, but for who is faster. */
export class Crowd {
  /** Those that stay from the first message to the last. */
  readonly steady: Reader[] = []
  /** Those that read too slowly and are connected at the end. */
  readonly slow = new Map<string, Reader>()
  readonly said: Record<Stream, number> = { all: 0, steady: 0, slow: 0, frozen: 0 }
  readonly samples: Measures[] = []
  /** How many left in each way. */
  readonly left: Record<string, number> = {}
  /** Clients that the broadcast that was for the fewest was for. */
  fewest = Infinity
  visits = 0
  readonly #service: Service
  readonly #size: CrowdSize
  readonly #seed: number
  readonly #losesWhatIsSlow: boolean
  readonly #everybody = new Set<Reader>()
  /** Readers that the publisher waits for, and the last broadcast before they came. */
  readonly #awaited = new Map<Reader, number>()
  readonly #frozen = new Map<string, RawClient>()
  readonly #faults: string[] = []
  readonly #over = new AbortController()
  /** Whether the publisher stops, too. */
  #isQuiet = false
  #actors = 0
  #order = 0

  constructor (service: Service, size: CrowdSize, { seed, losesWhatIsSlow }: { seed: number, losesWhatIsSlow: boolean }) {
    this.#service = service
    this.#size = size
    this.#seed = seed
    this.#losesWhatIsSlow = losesWhatIsSlow
    setMaxListeners(0, this.#over.signal)
  }

  /** Whatever was wrong with a message or an end. */
  get faults (): string[] {
    return [...this.#faults, ...[...this.#everybody].flatMap(({ faults }) => faults)]
  }

  /** Slow ones that lost messages or were cut. */
  get overtaken (): number {
    return [...this.#everybody].filter(({ user, missing, isOpen }) => user.startsWith('slow') && (missing > 0 || !isOpen)).length
  }

  /** Lets them all come, and go on for some time and, if that does not take for ever, until `isEnough`. At the end the steady and the slow are still there, and the frozen, who do not notice anything. */
  async run (ms: number, isEnough: () => boolean): Promise<void> {
    await Promise.all(this.#times(this.#size.steady, async () => {
      const reader = await this.#open('steady', ['all', 'steady'])
      this.steady.push(reader)
      this.#awaited.set(reader, 0)
    }))
    const { visitors, slow, frozen, churners } = this.#size
    const publishing = this.#publish(this.#random())
    const actors = [
      this.#sample(),
      ...this.#times(visitors, () => this.#visit(this.#random())),
      ...this.#times(slow, (n) => this.#readSlowly(this.#user('slow', n), this.#random())),
      ...this.#times(frozen, (n) => this.#freeze(this.#user('frozen', n), this.#random())),
      ...this.#times(churners, () => this.#churn(this.#random()))
    ]
    const ending = this.#endAfter(ms, isEnough)
    try {
      // Whoever still wants to read something before it leaves gets it.
      await Promise.race([Promise.all(actors), publishing])
    } finally {
      this.#over.abort()
      this.#isQuiet = true
      await ending
    }
    await publishing
  }

  /** One more broadcast when all is calm; resolves when it has reached everybody who is still there. */
  async sayLast (): Promise<void> {
    await this.#service.say([this.#saying('all', MIN_BYTES)], true)
    const all = [...this.steady, ...this.slow.values()].filter(({ isOpen }) => isOpen)
    await until(() => all.every((reader) => reader.last('all') === this.said.all), 'the last broadcast for everybody')
  }

  /** The frozen go without a word; without it, the service has to find out that they are frozen. */
  resetFrozen (): void {
    for (const client of this.#frozen.values()) client.reset()
  }

  /** Everybody goes. */
  async leave (): Promise<void> {
    this.resetFrozen()
    await Promise.all([...this.steady, ...this.slow.values()].filter(({ isOpen }) => isOpen).map((reader) => reader.leave()))
  }

  get #isOver (): boolean {
    return this.#over.signal.aborted
  }

  async #endAfter (ms: number, isEnough: () => boolean): Promise<void> {
    await this.#pause(ms)
    const deadline = Date.now() + PATIENCE_MS
    while (!this.#isOver && !isEnough() && Date.now() < deadline) await this.#pause(50)
    this.#over.abort()
  }

  /** Rounds of messages: a handful for everyone, some for the steady ones, and much for those that cannot take it. */
  async #publish (random: Random): Promise<void> {
    while (!this.#isQuiet) {
      await until(() => [...this.#awaited].every(([reader, before]) => this.#hasRead(reader, before, this.said.all - AHEAD)), 'a round for all readers')
      const fewest = await this.#service.say(this.#round(random), random.next() < 0.5)
      this.fewest = Math.min(this.fewest, fewest)
      await sleep(random.between(10, 60))
    }
  }

  #round (random: Random): Saying[] {
    const sayings: Saying[] = []
    const bytes = () => random.between(MIN_BYTES, random.pick(60, 60, 1 * KIBIBYTE, 1 * KIBIBYTE, 8 * KIBIBYTE, random.pick(1, 1, 1, 60) * KIBIBYTE))
    for (let left = random.between(1, random.pick(6, 6, 30)); left > 0; left--) {
      sayings.push(this.#saying('all', bytes()))
      if (random.next() < 0.2) sayings.push(this.#saying('steady', bytes(), { users: ['steady'] }))
    }
    for (const stream of ['slow', 'frozen'] as const) {
      const users = this.#times(this.#size[stream], (n) => this.#user(stream, n))
      for (let left = random.between(1, 4); left > 0; left--) {
        sayings.push(this.#saying(stream, BULK_BYTES, { users, ...(random.next() < 0.5 ? { conflate: 'bulk' } : {}) }))
      }
    }
    return sayings
  }

  #saying (stream: Stream, bytes: number, more: Pick<Saying, 'users' | 'conflate'> = {}): Saying {
    return { stream, number: ++this.said[stream], order: ++this.#order, bytes, ...more }
  }

  async #sample (): Promise<void> {
    while (!this.#isOver) {
      this.samples.push(await this.#service.measure())
      await this.#pause(500)
    }
  }

  /** Comes for some seconds, and misses nothing between. */
  async #visit (random: Random): Promise<void> {
    while (!this.#isOver) {
      const reader = await this.#open('visitor', ['all'])
      const before = this.said.all
      this.#awaited.set(reader, before)
      await this.#pause(random.between(200, 4000))
      const wanted = this.said.all
      await until(() => this.#hasRead(reader, before, wanted), 'all that was said before a visitor leaves')
      this.#awaited.delete(reader)
      if (reader.first('all') > before + 1) this.#faults.push(`a visitor who came after ${before} got ${reader.first('all')} first`)
      await reader.leave()
      this.visits++
    }
  }

  /** Reads a little, pauses, reads on; comes again when it is cut for that. */
  async #readSlowly (user: string, random: Random): Promise<void> {
    let reader: Reader | undefined
    while (!this.#isOver) {
      if (reader?.isOpen !== true) reader = await this.#open(user, ['all', 'slow'])
      this.slow.set(user, reader)
      const { socket, read } = reader
      const goal = read + random.between(1, 30)
      socket.resume()
      await until(() => reader?.isOpen !== true || reader.read >= goal || this.#isOver, `something for ${user} to read`)
      socket.pause()
      await this.#pause(random.between(200, 2500))
    }
    reader?.socket.resume()
  }

  /** Reads nothing, until it is gone without a word; the one that is there at the end does not even go. */
  async #freeze (user: string, random: Random): Promise<void> {
    while (!this.#isOver) {
      const client = await freeze(this.#service.port, user)
      this.#frozen.set(user, client)
      await this.#pause(random.between(1000, 6000))
      if (!this.#over.signal.aborted) client.reset()
    }
  }

  async #churn (random: Random): Promise<void> {
    const [first = '', ...others] = Object.keys(WAYS)
    while (!this.#isOver) {
      const way = random.pick(first, ...others)
      await WAYS[way]?.(this.#service.port, random)
      this.left[way] = (this.left[way] ?? 0) + 1
      await this.#pause(random.between(0, 150))
    }
  }

  async #open (user: string, hears: Stream[]): Promise<Reader> {
    const reader = await Reader.open({ url: this.#service.url, user, hears, mayMiss: this.#losesWhatIsSlow && user.startsWith('slow') })
    this.#everybody.add(reader)
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
    await sleep(ms, undefined, { signal: this.#over.signal }).catch(() => {}) // The only failure is the end.
  }
}
