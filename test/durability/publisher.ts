import { setTimeout as sleep } from 'node:timers/promises'
import type { AddressKey } from '../../services/model/message.ts'
import type { Random } from '../support/random.ts'
import { OPERATOR, type HubProcess } from './hub-process.ts'
import { textOf, type Journal, type PublishedMessage } from './journal.ts'
import type { CrashTrigger } from './crash-trigger.ts'

/** Collaborators of a publisher. */
export interface PublisherOptions {
  readonly hub: HubProcess
  readonly journal: Journal
  readonly crashTrigger: CrashTrigger
  /** The seed is part of each idempotency key, so that runs have different keys. */
  readonly seed: number
}

interface Acknowledgement { readonly offset: number, readonly duplicate: boolean, readonly stored: boolean }

/** Outcome of one attempt to publish a message. */
type Outcome = Acknowledgement | 'unknown' | 'refused'

/** Timeout of a response. */
const TIMEOUT_MS = 15_000

/**
 * Backends that publish over REST. Each backend publishes one message after another, each with an idempotency key, and
 * repeats each message until the hub acknowledges the message; the journal records the acknowledgement.
 */
export class Publisher {
  readonly counts = { published: 0, acknowledged: 0, attempts: 0, unknown: 0, abandoned: 0, repeated: 0 }
  readonly faults: string[] = []
  readonly #options: PublisherOptions

  constructor (options: PublisherOptions) {
    this.#options = options
  }

  /** Runs one backend: publishes at a pace until the signal, then until the outcome of the last message is known. */
  async runBackend (random: Random, backend: Backend, signal: AbortSignal): Promise<void> {
    const { addresses, bytes, pauseMs, burst = 1 } = backend
    let last: PublishedMessage | null = null
    const isOver = (): boolean => signal.aborted
    while (!isOver()) {
      for (let left = burst; left > 0; left--) {
        const published = this.#begin(random.pick(...addresses), bytes(random))
        await this.#publishUntilKnown(published, random)
        if (last !== null) this.#compare(last, published)
        if (published.acknowledged !== null) last = published
        // A restarted backend may publish a message again much later.
        if (last !== null && random.next() < 0.03) await this.#repeat(last)
        if (isOver()) return
      }
      await sleep(random.between(...pauseMs), undefined, { signal }).catch(() => {}) // Rejects only on abort.
    }
  }

  /** Publishes a message until the acknowledgement. */
  async publish (address: AddressKey, bytes = 64): Promise<PublishedMessage> {
    const published = this.#begin(address, bytes)
    await this.#publishUntilKnown(published, null)
    return published
  }

  #begin (address: AddressKey, bytes: number): PublishedMessage {
    this.counts.published++
    return this.#options.journal.begin(address, bytes)
  }

  /** Repeats attempts until the outcome is known; with `random`, some attempts time out early or are the last. */
  async #publishUntilKnown (published: PublishedMessage, random: Random | null): Promise<void> {
    const { counts } = this.#options.hub
    const { kills } = counts
    for (;;) {
      const isImpatient = random !== null && random.next() < 0.02
      const outcome = await this.#attempt(published, isImpatient ? random.between(0, 8) : TIMEOUT_MS)
      // The hub may continue with an attempt after its timeout, so this also checks later kills.
      if (published.unknown > 0 && counts.kills !== kills) published.wasInterrupted = true
      if (typeof outcome === 'object') {
        this.counts.acknowledged++
        this.#options.journal.acknowledge(published, outcome.offset)
        if (!outcome.stored) this.#addFault(`${published.n} was acknowledged and not stored`)
        if (outcome.duplicate && published.unknown === 0) {
          this.#addFault(`${published.n} is a duplicate at the first attempt`)
        }
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

  /** Publishes with the same key again: the receipt is the first one, and the message is not delivered again. */
  async #repeat (published: PublishedMessage): Promise<void> {
    const outcome = await this.#attempt(published, TIMEOUT_MS)
    if (typeof outcome !== 'object') return
    this.counts.repeated++
    if (!outcome.duplicate || outcome.offset !== published.acknowledged?.offset) {
      const offset = published.acknowledged?.offset ?? 0
      this.#addFault(`${published.n} was acknowledged at ${offset}, and again with ${JSON.stringify(outcome)}`)
    }
  }

  async #attempt (published: PublishedMessage, timeoutMs: number): Promise<Outcome> {
    const { hub, seed, crashTrigger } = this.#options
    this.counts.attempts++
    try {
      const answer = fetch(hub.origin + pathOf(published.address), {
        method: 'POST',
        headers: {
          authorization: `Bearer ${OPERATOR}`,
          'content-type': 'application/json',
          'idempotency-key': `${seed}-${published.n}`
        },
        body: JSON.stringify({ message: textOf(published) }),
        signal: AbortSignal.timeout(timeoutMs)
      })
      crashTrigger.reach('sent')
      const response = await answer
      const text = await response.text()
      if (response.status === 202) return JSON.parse(text) as Outcome
      if (response.status !== 503) this.#addFault(`${published.n} got status ${response.status}: ${text}`)
      // The hub may have stored the message before closing.
    } catch (error) {
      if (isRefused(error)) return 'refused'
    }
    this.counts.unknown++
    published.unknown++
    return 'unknown'
  }

  /** Checks that a later message of one backend is later in the log. */
  #compare (earlier: PublishedMessage, later: PublishedMessage): void {
    const [first, second] = [earlier.acknowledged?.offset, later.acknowledged?.offset]
    if (first === undefined || second === undefined || first < second) return
    this.#addFault(`${later.n} is at ${second}, and ${earlier.n}, which its backend published before, at ${first}`)
  }

  #addFault (what: string): void {
    // The first faults show the cause.
    if (this.faults.length < 5) this.faults.push(what)
  }
}

/** Messages of one backend. */
export interface Backend {
  readonly addresses: readonly [AddressKey, ...AddressKey[]]
  readonly bytes: (random: Random) => number
  /** Pause between two bursts: the least and the most. */
  readonly pauseMs: readonly [number, number]
  readonly burst?: number
}

function pathOf (address: AddressKey): string {
  if (address === 'all') return '/broadcast'
  const [kind = '', id = ''] = address.split(':')
  return `/${kind}s/${id}/messages`
}

/** Whether the connection was refused, because the hub is down. */
function isRefused (error: unknown): boolean {
  const cause: unknown = error instanceof Error ? error.cause : null
  return typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ECONNREFUSED'
}
