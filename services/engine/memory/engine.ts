import { RisingClock } from '../../lib/clock.ts'
import type { Address, Draft, Message, Offset } from '../../model/message.ts'
import type { Appended, Engine, MessageHandler, Page, PageLimit, Range, Summary } from '../engine.ts'
import { Evictions } from '../local/evictions.ts'
import { assertSameDraft, digestOf, IdempotencyRecords } from '../local/idempotency.ts'
import { LocalBus } from '../local/bus.ts'
import { Lifetime } from '../local/lifetime.ts'
import { isBeforeOrigin, takePage } from '../local/page.ts'
import type { Retention } from '../local/retention.ts'
import { MemoryLog } from './log.ts'
import { MemoryState } from './state.ts'

/** Bounds of the data beside the messages; each default is that of the named class. */
export interface MemoryBounds {
  /** Idempotency keys at most: IdempotencyRecords. */
  readonly keys?: number
  /** Addresses of one kind with evictions at most: Evictions. */
  readonly evictions?: number
  /** Values of the state at most: MemoryState. */
  readonly values?: number
}

/**
 * The engine with the log in the memory of this process: messages do not outlive the process. Offsets rise across
 * restarts all the same, as long as the clock does. All data is bounded: messages by the retention, the rest by
 * numbers.
 */
export class MemoryEngine implements Engine {
  readonly problem = null
  readonly state: MemoryState
  readonly bus: LocalBus
  readonly #lifetime = new Lifetime()
  readonly #windowMs: number
  readonly #now: () => number
  readonly #clock: RisingClock
  readonly #log: MemoryLog
  readonly #keys: IdempotencyRecords
  /** The offset at which this log began. */
  readonly #origin: Offset
  #head: Offset
  #follower: MessageHandler = () => {}

  constructor (retention: Retention, bounds: MemoryBounds = {}) {
    this.bus = new LocalBus(this.#lifetime)
    this.#windowMs = retention.idempotencyWindowMs
    this.#now = retention.now ?? Date.now
    this.#clock = new RisingClock(this.#now)
    this.#origin = this.#head = this.#clock.next()
    this.#log = new MemoryLog(retention, new Evictions(bounds.evictions))
    this.#keys = new IdempotencyRecords(bounds.keys)
    this.state = new MemoryState(this.#now, () => this.#lifetime.assertOpen(), bounds.values)
  }

  get head (): Offset {
    return this.#head
  }

  async append (draft: Draft): Promise<Appended> {
    this.#lifetime.assertOpen()
    const now = this.#now()
    this.#keys.evictExpired(now)
    const { key } = draft
    const digest = key === undefined ? null : digestOf(draft)
    const known = key === undefined ? undefined : this.#keys.find(key, now)
    if (digest !== null && known !== undefined) {
      assertSameDraft(known, digest)
      return { offset: known.offset, duplicate: true, stored: await known.stored }
    }

    const offset = this.#clock.next()
    // The draft comes last: V8 extends a copied object slowly, which doubled the CPU time of an append.
    const message: Message = { offset, at: now, ...draft }
    this.#head = offset
    const stored = draft.keep !== false && this.#log.append(message, now)
    if (key !== undefined && digest !== null) {
      this.#keys.add(key, { offset, digest, until: now + this.#windowMs, stored })
    }
    this.#follower(message)
    return { offset, duplicate: false, stored }
  }

  follow (handler: MessageHandler): void {
    this.#follower = handler
  }

  async read (ranges: readonly Range[], limit: PageLimit): Promise<Page> {
    this.#evictExpired()
    const page = takePage(ranges.map((range) => this.#log.read(range)), limit, this.#head)
    const gaps = ranges.map((range) => {
      const lost = isBeforeOrigin(range, this.#origin) ? Math.min(this.#origin, range.upTo ?? Infinity) : 0
      return Math.max(lost, this.#log.gapUpTo(range))
    })
    return { ...page, gapUpTo: Math.max(0, ...gaps) }
  }

  async find (offset: Offset): Promise<Message | undefined> {
    this.#evictExpired()
    return this.#log.find(offset)
  }

  async summary (range: Range): Promise<Summary> {
    this.#evictExpired()
    return this.#log.summary(range)
  }

  async purge (address: Address): Promise<number> {
    this.#evictExpired()
    return this.#log.purge(address)
  }

  async close (): Promise<void> {
    this.#lifetime.end()
    this.#log.clear()
    this.#keys.clear()
    this.state.clear()
  }

  #evictExpired (): void {
    this.#lifetime.assertOpen()
    this.#log.evictExpired(this.#now())
  }
}
