import { HubError } from '../errors.ts'
import { addressKey, payloadBytes, type Address, type AddressKey, type Draft, type Message, type Offset } from '../message.ts'
import { RisingClock } from '../rising-clock.ts'
import { trimOldest } from '../trim-oldest.ts'
import type { Answerer, Appended, Asked, Engine, LogRange, MessageHandler, Questions } from './engine.ts'

/** How much the log keeps. */
export interface MemoryEngineOptions {
  /** Age in ms after which a message leaves the log. */
  maxAgeMs: number
  /** Messages that the log keeps at most. */
  maxCount: number
  /** Bytes of payload that the log keeps at most. */
  maxBytes: number
  /** Time in ms for which an idempotency key is remembered. */
  idempotencyWindowMs: number
  now?: () => number
}

interface Entry {
  readonly message: Message
  readonly key: AddressKey
  readonly bytes: number
}

/** What an entry costs beside its payload, about. */
const ENTRY_BYTES = 200
/** Dead entries at the front of the log are cut off when there are this many and they are more than half of it. */
const COMPACT_AT = 1024

/** The log in this process's memory: nothing outlives the process. Offsets rise across restarts all the same. */
export class MemoryEngine implements Engine {
  readonly #options: MemoryEngineOptions
  readonly #now: () => number
  readonly #clock: RisingClock
  readonly #followed = new Set<AddressKey>()
  readonly #keys = new Map<string, { offset: Offset, until: number }>()
  #entries: Array<Entry | undefined> = []
  #first = 0
  #bytes = 0
  #head: Offset = 0
  #truncatedAt: Offset = 0
  #handler: MessageHandler | null = null
  #answerer: Answerer | null = null
  #closed = false

  constructor (options: MemoryEngineOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#clock = new RisingClock(this.#now)
  }

  async append (draft: Draft): Promise<Appended> {
    this.#assertOpen()
    const now = this.#now()
    if (draft.key !== undefined) {
      this.#forgetKeys(now)
      const known = this.#keys.get(draft.key)
      if (known !== undefined) return { offset: known.offset, duplicate: true }
    }

    const offset = this.#clock.next()
    const message: Message = { ...draft, offset }
    this.#head = offset
    if (draft.key !== undefined) this.#rememberKey(draft.key, offset, now)
    const key = addressKey(draft.address)
    if (draft.keep !== false) this.#keep(message, key, now)
    if (this.#followed.has(key)) this.#handler?.(message)
    return { offset, duplicate: false }
  }

  async read (addresses: readonly Address[], after: Offset, limit: number): Promise<Message[]> {
    this.#assertOpen()
    const now = this.#now()
    this.#evict(now)
    if (after < this.#truncatedAt) {
      throw new HubError('HUB_LOG_TRUNCATED', `Messages after offset ${after} are gone from the log; the oldest kept offset is ${this.range().oldest}.`)
    }
    const wanted = new Set(addresses.map(addressKey))
    const page: Message[] = []
    for (let at = this.#indexAfter(after); at < this.#entries.length && page.length < limit; at++) {
      const entry = this.#entries[at]
      if (entry !== undefined && !hasExpired(entry.message, now) && wanted.has(entry.key)) page.push(entry.message)
    }
    return page
  }

  range (): LogRange {
    return { oldest: this.#entries[this.#first]?.message.offset ?? 0, head: this.#head }
  }

  listen (handler: MessageHandler, answerer: Answerer): void {
    this.#handler = handler
    this.#answerer = answerer
  }

  follow (address: Address): void {
    this.#followed.add(addressKey(address))
  }

  unfollow (address: Address): void {
    this.#followed.delete(addressKey(address))
  }

  async ask<K extends keyof Questions> (kind: K, question: Questions[K]): Promise<Asked<K>> {
    if (this.#answerer === null) return { answers: [], asked: 0 }
    return { answers: [await this.#answerer[kind](question)], asked: 1 }
  }

  async close (): Promise<void> {
    this.#closed = true
    this.#entries = []
    this.#first = 0
    this.#keys.clear()
    this.#followed.clear()
  }

  #assertOpen (): void {
    if (this.#closed) throw new HubError('HUB_DRAINING', 'The hub is closed; it takes no more messages.')
  }

  #keep (message: Message, key: AddressKey, now: number): void {
    const bytes = payloadBytes(message.payload) + (message.except === undefined ? 0 : sum(message.except, (id) => id.length)) + ENTRY_BYTES
    this.#entries.push({ message, key, bytes })
    this.#bytes += bytes
    this.#evict(now)
  }

  /** Drops what is over a limit from the old end. */
  #evict (now: number): void {
    const { maxAgeMs, maxCount, maxBytes } = this.#options
    for (let oldest = this.#entries[this.#first]; oldest !== undefined; oldest = this.#entries[this.#first]) {
      const isOver = this.#entries.length - this.#first > maxCount || this.#bytes > maxBytes || now - appendedAt(oldest.message) > maxAgeMs
      if (!isOver) break
      this.#bytes -= oldest.bytes
      this.#truncatedAt = oldest.message.offset
      this.#entries[this.#first++] = undefined
    }
    if (this.#first > COMPACT_AT && this.#first > this.#entries.length / 2) {
      this.#entries = this.#entries.slice(this.#first)
      this.#first = 0
    }
  }

  /** There are never more keys than messages may be kept. */
  #rememberKey (key: string, offset: Offset, now: number): void {
    this.#keys.set(key, { offset, until: now + this.#options.idempotencyWindowMs })
    trimOldest(this.#keys, this.#options.maxCount)
  }

  /** Keys are in the order of their insertion, and so of their end. */
  #forgetKeys (now: number): void {
    for (const [key, { until }] of this.#keys) {
      if (until > now) break
      this.#keys.delete(key)
    }
  }

  /** Index of the first entry above an offset, by bisection. */
  #indexAfter (after: Offset): number {
    let low = this.#first
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle]?.message.offset ?? Infinity) <= after) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** An offset is the time of its message in microseconds, or a little more. */
function appendedAt ({ offset }: Message): number {
  return Math.floor(offset / 1000)
}

function hasExpired (message: Message, now: number): boolean {
  return message.ttl !== undefined && appendedAt(message) + message.ttl * 1000 <= now
}

function sum<T> (items: readonly T[], size: (item: T) => number): number {
  return items.reduce((total, item) => total + size(item), 0)
}
