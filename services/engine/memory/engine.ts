import type { Address, Draft, Message, Offset } from '../../model/message.ts'
import { RisingClock } from '../../lib/clock.ts'
import type { Appended, Engine, Page, PageLimit, Range, Source, Summary } from '../engine.ts'
import { Evictions } from '../local/evictions.ts'
import { assertSameDraft, digestOf, IdempotencyRecords } from '../local/idempotency.ts'
import { MemoryLog } from './log.ts'
import { MemoryState } from './state.ts'
import { isFromBefore, takePage } from '../local/page.ts'
import type { Retention } from '../local/retention.ts'
import { SingleNode } from '../local/single-node.ts'

/** Bounds of what is remembered beside messages; where nothing is said, those of the classes named. */
export interface MemoryBounds {
  /** Idempotency keys: KeyUses. */
  readonly keys?: number
  /** Addresses of one kind that have lost messages: Evictions. */
  readonly evictions?: number
  /** Values of the state: MemoryState. */
  readonly values?: number
}

/**
 * The log in this process's memory: nothing outlives the process. Offsets rise across restarts all the same, as long as
 * the clock does. Everything has a bound: messages by the retention, the rest by numbers.
 */
export class MemoryEngine extends SingleNode implements Engine {
  readonly problem = null
  readonly state: MemoryState
  readonly #windowMs: number
  readonly #now: () => number
  readonly #clock: RisingClock
  readonly #log: MemoryLog
  readonly #keys: IdempotencyRecords
  /** At which offset this log began. */
  readonly #origin: Offset
  #head: Offset

  constructor (retention: Retention, bounds: MemoryBounds = {}) {
    super()
    this.#windowMs = retention.idempotencyWindowMs
    this.#now = retention.now ?? Date.now
    this.#clock = new RisingClock(this.#now)
    this.#origin = this.#head = this.#clock.next()
    this.#log = new MemoryLog(retention, new Evictions(bounds.evictions))
    this.#keys = new IdempotencyRecords(bounds.keys)
    this.state = new MemoryState(this.#now, () => this.assertOpen(), bounds.values)
  }

  get head (): Offset {
    return this.#head
  }

  async append (draft: Draft): Promise<Appended> {
    this.assertOpen()
    const now = this.#now()
    this.#keys.sweep(now)
    const use = draft.key === undefined ? null : { key: draft.key, digest: digestOf(draft) }
    const known = use === null ? undefined : this.#keys.find(use.key, now)
    if (use !== null && known !== undefined) {
      assertSameDraft(known, use.digest)
      return { offset: known.offset, duplicate: true, stored: await known.stored }
    }

    const offset = this.#clock.next()
    const message: Message = { ...draft, offset }
    this.#head = offset
    const stored = draft.keep !== false && this.#log.append(message, now)
    if (use !== null) this.#keys.remember(use.key, { offset, digest: use.digest, until: now + this.#windowMs, stored })
    this.deliver(message)
    return { offset, duplicate: false, stored }
  }

  async read (sources: readonly Source[], limit: PageLimit): Promise<Page> {
    this.#sweep()
    const page = takePage(sources.map((source) => this.#log.read(source)), limit, this.#head)
    const gaps = sources.map((source) => Math.max(isFromBefore(source, this.#origin) ? this.#origin : 0, this.#log.gapUpTo(source)))
    return { ...page, gapUpTo: Math.max(0, ...gaps) }
  }

  async find (offset: Offset): Promise<Message | undefined> {
    this.#sweep()
    return this.#log.find(offset)
  }

  async summary (range: Range): Promise<Summary> {
    this.#sweep()
    return this.#log.summary(range)
  }

  async purge (address: Address): Promise<number> {
    this.#sweep()
    return this.#log.purge(address)
  }

  async close (): Promise<void> {
    this.shut()
    this.#log.clear()
    this.#keys.clear()
    this.state.clear()
  }

  #sweep (): void {
    this.assertOpen()
    this.#log.sweep(this.#now())
  }
}
