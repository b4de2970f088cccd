import { addressKey, type Message, type Offset } from '../../model/message.ts'
import type { Page, PageLimit, Range, Summary } from '../store.ts'
import type { Evicted } from '../local/evictions.ts'
import type { Fifo } from '../local/collections/fifo.ts'
import { addressOf } from '../local/message-form.ts'
import { decodeMessage, endOfMessage } from './codec.ts'
import type { Entry } from './entry.ts'
import { decodeText, encodeText } from '../local/text.ts'
import { decodeOrder, messageKey, numberAtEnd, orderKey } from './layout.ts'
import type { Lost } from './lost.ts'
import { kindOf, readRecord, type AddressRecord, type Totals } from './ledger.ts'
import type { LmdbFile } from './file.ts'
import { haveEnded } from './sweep.ts'
import { ageFloor } from './time.ts'
import { waitingAfter, type Waiting } from './waiting.ts'
import { takePage } from '../local/page.ts'
import { RETENTION_CLASSES, retentionClassOf, type Retention, type RetentionClass } from '../local/retention.ts'

/** Sources and settings of a reader. */
export interface ReaderOptions {
  readonly store: LmdbFile
  readonly retention: Retention
  readonly waiting: Waiting
  /** Unpersisted messages: messages that never reached the store. */
  readonly lost: Pick<Lost, 'of'>
  readonly totals: () => Totals
}

/** The stream of an address at one moment. */
interface Line {
  readonly range: Range
  readonly shelf: RetentionClass
  readonly bytes: Buffer
  readonly record: AddressRecord
  /** Evicted and unpersisted messages. */
  readonly evicted: Evicted
  readonly waiting: Fifo<Entry>
  /** Messages below this offset are too old, even if they are still in the store. */
  readonly floor: Offset
  /** Messages from this offset on are in flight. */
  readonly end: Offset
}

/**
 * Reads the log: stored messages and messages in flight. Each method works synchronously and therefore sees one
 * consistent moment. Expired messages and messages over age are unreadable, even before a sweep has removed these
 * messages.
 */
export class LmdbReader {
  readonly #options: ReaderOptions

  constructor (options: ReaderOptions) {
    this.#options = options
  }

  read (ranges: readonly Range[], limit: PageLimit, head: Offset, now: number): Page {
    const lines = ranges.map((range) => this.#line(range, now))
    const gapUpTo = Math.max(0, ...lines.map((line) => this.#gapUpTo(line, now)))
    return { ...takePage(lines.map((line) => this.#messages(line, now)), limit, head), gapUpTo }
  }

  summary (range: Range, now: number): Summary {
    const line = this.#line(range, now)
    const { floor, end, evicted, waiting } = line
    const { after, upTo = Infinity } = range
    const [from, to] = [Math.max(floor, after + 1), Math.min(end, upTo + 1)]
    const old = this.#count(line, 0, floor)
    const waits = [...waitingAfter(waiting, after, now)].filter(({ offset }) => offset <= upTo)
    return {
      count: this.#count(line, from, to) - this.#ended(line, from, to, now) + waits.length,
      oldest: this.#first(line, from, to, now) ?? waits[0]?.offset ?? 0,
      evicted: {
        count: evicted.count + old + this.#ended(line, floor, end, now),
        upTo: Math.max(evicted.upTo, old === 0 ? 0 : this.#last(line, floor, now))
      }
    }
  }

  find (offset: Offset, now: number): Message | undefined {
    const { store, retention, waiting } = this.#options
    const entry = waiting.find(offset)
    if (entry !== undefined) return entry.until > now ? entry.message : undefined
    for (const shelf of RETENTION_CLASSES) {
      const value = store.get(orderKey(shelf, offset))
      if (value === undefined) continue
      const { address, until } = decodeOrder(value)
      const message = store.get(messageKey(address, offset))
      if (message === undefined || until <= now || offset < ageFloor(retention[shelf], now)) return undefined
      return decodeMessage(addressOf(decodeText(address)), offset, message)
    }
    return undefined
  }

  #line (range: Range, now: number): Line {
    const { store, retention, waiting, lost, totals } = this.#options
    const key = addressKey(range.address)
    const bytes = encodeText(key)
    const shelf = retentionClassOf(range.address)
    const line = waiting.at(key)
    const end = line.first?.message.offset ?? Infinity
    const record = readRecord(store, totals(), bytes)
    const { count, upTo } = lost.of(key)
    const evicted = { count: record.evicted + count, upTo: Math.max(record.missedUpTo, upTo, totals().doubtful[kindOf(bytes)] ?? 0) }
    return { range, shelf, bytes, end, waiting: line, record, evicted, floor: Math.min(ageFloor(retention[shelf], now), end) }
  }

  * #messages ({ range: { address, after, upTo = Infinity }, bytes, record, floor, end, waiting }: Line, now: number): Generator<Message, void> {
    if (record.count > 0) {
      const keys = { start: messageKey(bytes, Math.max(after + 1, floor)), end: messageKey(bytes, Math.min(end, upTo + 1)) }
      for (const { key, value } of this.#options.store.entries(keys)) {
        if (endOfMessage(value) > now) yield decodeMessage(address, numberAtEnd(key), value)
      }
    }
    for (const message of waitingAfter(waiting, after, now)) {
      if (message.offset > upTo) return
      yield message
    }
  }

  /** Returns the greatest offset that a reader misses; 0 without a gap. */
  #gapUpTo (line: Line, now: number): Offset {
    const { range, record, evicted, floor } = line
    const { after, upTo: end = Infinity } = range
    const old = record.count > 0 && after + 1 < floor ? this.#last(line, floor, now) : 0
    const upTo = Math.max(evicted.upTo, old)
    return upTo > after ? Math.min(upTo, end) : 0
  }

  /** Returns the number of stored messages from one offset to another, including expired messages. */
  #count ({ bytes }: Line, from: Offset, to: Offset): number {
    return from < to ? this.#options.store.count({ start: messageKey(bytes, from), end: messageKey(bytes, to) }) : 0
  }

  /** Returns the number of expired messages from one offset to another that are still in the store. */
  #ended ({ bytes, shelf }: Line, from: Offset, to: Offset, now: number): number {
    const { store } = this.#options
    let ended = 0
    if (from >= to || !haveEnded(store, now)) return ended
    for (const key of store.keys({ start: messageKey(bytes, from), end: messageKey(bytes, to) })) if (this.#isEnded(shelf, numberAtEnd(key), now)) ended++
    return ended
  }

  /** Returns the offset of the first unexpired stored message from one offset to another. */
  #first ({ bytes, shelf }: Line, from: Offset, to: Offset, now: number): Offset | undefined {
    for (const key of this.#options.store.keys({ start: messageKey(bytes, from), end: messageKey(bytes, Math.max(from, to)) })) {
      if (!this.#isEnded(shelf, numberAtEnd(key), now)) return numberAtEnd(key)
    }
    return undefined
  }

  /** Returns the offset of the last unexpired stored message below an offset; 0 without such a message. */
  #last ({ bytes, shelf }: Line, below: Offset, now: number): Offset {
    for (const key of this.#options.store.keys({ start: messageKey(bytes, below - 1), end: messageKey(bytes, 0), reverse: true })) {
      if (!this.#isEnded(shelf, numberAtEnd(key), now)) return numberAtEnd(key)
    }
    return 0
  }

  #isEnded (shelf: RetentionClass, offset: Offset, now: number): boolean {
    const value = this.#options.store.get(orderKey(shelf, offset))
    return value === undefined || decodeOrder(value).until <= now
  }
}
