import { setTimeout as sleep } from 'node:timers/promises'
import type { AddressKey } from '../../services/model/message.ts'
import type { Random } from '../soak/random.ts'
import { OPERATOR, type HubProcess } from './hub-process.ts'
import { textOf, type Journal, type PublishedMessage } from './journal.ts'
import type { CrashTrigger } from './crash-trigger.ts'

/** What a publisher works with. */
export interface PublisherOptions {
  readonly hub: HubProcess
  readonly journal: Journal
  readonly crashTrigger: CrashTrigger
  /** To tell runs apart in keys. */
  readonly seed: number
}

/** What one attempt to say something came to. */
type Outcome = { readonly offset: number, readonly duplicate: boolean, readonly stored: boolean } | 'unknown' | 'refused'

/** How long an answer is waited for. */
const TIMEOUT_MS = 15_000

/**
 * Backends that say things over REST, each one message after another and each message under a key, again and again until
 * the hub has acknowledged it; they write down what it acknowledged.
 */
export class Publisher {
  readonly counts = { published: 0, acknowledged: 0, attempts: 0, unknown: 0, abandoned: 0, repeated: 0 }
  readonly faults: string[] = []
  readonly #options: PublisherOptions

  constructor (options: PublisherOptions) {
    this.#options = options
  }

  /** One backend: says things at a pace until the signal comes, and then until the last one is known. */
  async runBackend (random: Random, { addresses, bytes, pauseMs, burst = 1 }: Backend, signal: AbortSignal): Promise<void> {
    let last: PublishedMessage | null = null
    const isOver = (): boolean => signal.aborted
    while (!isOver()) {
      for (let left = burst; left > 0; left--) {
        const published = this.#begin(random.pick(...addresses), bytes(random))
        await this.#publishUntilKnown(published, random)
        if (last !== null) this.#compare(last, published)
        if (published.acknowledged !== null) last = published
        // A backend that was itself restarted may say something again much later.
        if (last !== null && random.next() < 0.03) await this.#repeat(last)
        if (isOver()) return
      }
      await sleep(random.between(...pauseMs), undefined, { signal }).catch(() => {}) // The only failure is the end.
    }
  }

  /** Says something until it is acknowledged. */
  async publish (address: AddressKey, bytes = 64): Promise<PublishedMessage> {
    const published = this.#begin(address, bytes)
    await this.#publishUntilKnown(published, null)
    return published
  }

  #begin (address: AddressKey, bytes: number): PublishedMessage {
    this.counts.published++
    return this.#options.journal.begin(address, bytes)
  }

  /** Tries until the outcome is known; with a random, it may lose patience. */
  async #publishUntilKnown (published: PublishedMessage, random: Random | null): Promise<void> {
    const { counts } = this.#options.hub
    const { kills } = counts
    for (;;) {
      const isImpatient = random !== null && random.next() < 0.02
      const outcome = await this.#attempt(published, isImpatient ? random.between(0, 8) : TIMEOUT_MS)
      // Also some time after an attempt was given up: the hub may have gone on with it.
      if (published.unknown > 0 && counts.kills !== kills) published.wasInterrupted = true
      if (typeof outcome === 'object') {
        this.counts.acknowledged++
        this.#options.journal.acknowledge(published, outcome.offset)
        if (!outcome.stored) this.#addFault(`${published.n} was acknowledged and not stored`)
        if (outcome.duplicate && published.unknown === 0) this.#addFault(`${published.n} was called a duplicate at the first time`)
        this.#options.crashTrigger.reach('acknowledged')
        return
      }
      if (outcome === 'unknown' && random !== null && random.next() < 0.1) {
        this.counts.abandoned++
        return
      }
      await sleep(random?.between(5, 60) ?? 20)
    }
  }

  /** The same key again: the answer is the first one, and nobody hears of it. */
  async #repeat (published: PublishedMessage): Promise<void> {
    const outcome = await this.#attempt(published, TIMEOUT_MS)
    if (typeof outcome !== 'object') return
    this.counts.repeated++
    if (!outcome.duplicate || outcome.offset !== published.acknowledged?.offset) this.#addFault(`${published.n} was acknowledged at ${published.acknowledged?.offset ?? 0}, and again with ${JSON.stringify(outcome)}`)
  }

  async #attempt (published: PublishedMessage, timeoutMs: number): Promise<Outcome> {
    const { hub, seed, crashTrigger } = this.#options
    this.counts.attempts++
    try {
      const answer = fetch(hub.origin + pathOf(published.address), {
        method: 'POST',
        headers: { authorization: `Bearer ${OPERATOR}`, 'content-type': 'application/json', 'idempotency-key': `${seed}-${published.n}` },
        body: JSON.stringify({ message: textOf(published) }),
        signal: AbortSignal.timeout(timeoutMs)
      })
      crashTrigger.reach('sent')
      const response = await answer
      const text = await response.text()
      if (response.status === 202) return JSON.parse(text) as Outcome
      if (response.status !== 503) this.#addFault(`${published.n} was answered with ${response.status}: ${text}`)
      // It may have been stored before the hub closed.
    } catch (error) {
      if (isRefused(error)) return 'refused'
    }
    this.counts.unknown++
    published.unknown++
    return 'unknown'
  }

  /** What one backend says later is later in the log. */
  #compare (earlier: PublishedMessage, later: PublishedMessage): void {
    if (earlier.acknowledged === null || later.acknowledged === null || earlier.acknowledged.offset < later.acknowledged.offset) return
    this.#addFault(`${later.n} is at ${later.acknowledged.offset}, and ${earlier.n}, which its backend published before, at ${earlier.acknowledged.offset}`)
  }

  #addFault (what: string): void {
    // The first ones tell.
    if (this.faults.length < 5) this.faults.push(what)
  }
}

/** What one backend says. */
export interface Backend {
  readonly addresses: readonly [AddressKey, ...AddressKey[]]
  readonly bytes: (random: Random) => number
  /** Between two bursts, at least and at most. */
  readonly pauseMs: readonly [number, number]
  readonly burst?: number
}

function pathOf (address: AddressKey): string {
  if (address === 'all') return '/broadcast'
  const [kind = '', id = ''] = address.split(':')
  return `/${kind}s/${id}/messages`
}

/** Whether nobody was there to hear it. */
function isRefused (error: unknown): boolean {
  const cause: unknown = error instanceof Error ? error.cause : null
  return typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ECONNREFUSED'
}
