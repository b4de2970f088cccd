import {
  addressKey, payloadBytes, type Address, type AddressKey, type Message, type Offset
} from '../../model/message.ts'
import type { Range, Summary } from '../store.ts'
import { Evictions } from '../local/evictions.ts'
import { ExpiryQueue } from '../local/expiry-queue.ts'
import { Fifo } from '../local/fifo.ts'
import { expiryOf, RETENTION_CLASSES, retentionClassOf, type Retention, type RetentionClass } from '../local/retention.ts'

interface Entry {
  readonly message: Message
  readonly key: AddressKey
  readonly retentionClass: RetentionClass
  readonly bytes: number
  /** The neighbours in the retention class, by age. */
  older: Entry | null
  newer: Entry | null
}

/** Approximate bytes of an entry without the payload. */
const ENTRY_BYTES = 300

/**
 * The messages in memory: one stream for each address, in the order of offsets, and one linked list for each retention
 * class, in the order of age.
 */
export class MemoryLog {
  readonly #retention: Retention
  readonly #evictions: Evictions
  readonly #streams = new Map<AddressKey, Fifo<Entry>>()
  readonly #byOffset = new Map<Offset, Entry>()
  readonly #expiries = new ExpiryQueue<Offset>((offset) => this.#byOffset.has(offset))
  /** The two ends of the linked list of each retention class. */
  readonly #oldest: Record<RetentionClass, Entry | null> = { log: null, inbox: null }
  readonly #newest: Record<RetentionClass, Entry | null> = { log: null, inbox: null }
  #bytes = 0
  /** Messages with an expiry. */
  #expiring = 0

  constructor (retention: Retention, evictions = new Evictions()) {
    this.#retention = retention
    this.#evictions = evictions
  }

  /** Appends a message. Returns false for a message that alone exceeds the size of the log; it counts as evicted. */
  append (message: Message, now: number): boolean {
    const key = addressKey(message.address)
    const exceptBytes = (message.except ?? []).reduce((sum, id) => sum + id.length, 0)
    const bytes = ENTRY_BYTES + payloadBytes(message.payload) + exceptBytes
    if (bytes > this.#retention.maxBytes) {
      this.#evictions.add(key, message.offset)
      return false
    }
    this.evictExpired(now)
    const retentionClass = retentionClassOf(message.address)
    this.#put({ message, key, retentionClass, bytes, older: null, newer: null })
    this.#expiries.add(message.offset, expiryOf(message))
    this.#evictOverCount(key, this.#retention[retentionClass].maxCount)
    this.#evictOverBytes()
    return true
  }

  /** Evicts the messages that have expired or are over age. */
  evictExpired (now: number): void {
    for (const offset of this.#expiries.take(now)) {
      const entry = this.#byOffset.get(offset)
      if (entry === undefined) continue
      this.#remove(entry)
      this.#evictions.add(entry.key, 0)
    }
    for (const one of RETENTION_CLASSES) {
      const since = now - this.#retention[one].maxAgeMs
      let oldest = this.#oldest[one]
      for (; oldest !== null && oldest.message.at < since; oldest = this.#oldest[one]) this.#evict(oldest)
    }
  }

  /** Yields the messages of a range that are readable, in the order of their offsets. */
  * read ({ address, after, upTo = Infinity }: Range, now: number): Generator<Message, void> {
    const stream = this.#streams.get(addressKey(address))
    if (stream === undefined) return
    const since = this.#sinceOf(address, now)
    let at = indexAfter(stream, after)
    for (let entry = stream.at(at); entry !== undefined; entry = stream.at(++at)) {
      if (entry.message.offset > upTo) return
      if (isReadable(entry, since, now)) yield entry.message
    }
  }

  /** The greatest offset of a message that a reader of this range misses; 0 without one. */
  gapUpTo ({ address, after, upTo = Infinity }: Range, now: number): Offset {
    const key = addressKey(address)
    const hidden = this.#hiddenOf(this.#streams.get(key), this.#sinceOf(address, now), now)
    const missedUpTo = Math.max(this.#evictions.of(key).upTo, hidden.missedUpTo)
    return missedUpTo > after ? Math.min(missedUpTo, upTo) : 0
  }

  /** Counts the readable messages of a range. */
  summary ({ address, after, upTo = Infinity }: Range, now: number): Summary {
    const key = addressKey(address)
    const stream = this.#streams.get(key)
    const since = this.#sinceOf(address, now)
    const hidden = this.#hiddenOf(stream, since, now)
    const { count: evicted, upTo: evictedUpTo } = this.#evictions.of(key)
    let [count, oldest] = [0, 0]
    const end = stream === undefined ? 0 : indexAfter(stream, upTo)
    for (let at = stream === undefined ? 0 : indexAfter(stream, after); at < end; at++) {
      const entry = stream?.at(at)
      if (entry === undefined || !isReadable(entry, since, now)) continue
      if (count === 0) oldest = entry.message.offset
      // Without hidden messages, all messages of the range are readable.
      count += hidden.count === 0 ? end - at : 1
      if (hidden.count === 0) break
    }
    const missedUpTo = Math.max(evictedUpTo, hidden.missedUpTo)
    return { count, oldest, evicted: { count: evicted + hidden.count, upTo: missedUpTo } }
  }

  /** Finds a readable message. */
  find (offset: Offset, now: number): Message | undefined {
    const entry = this.#byOffset.get(offset)
    if (entry === undefined || !isReadable(entry, this.#sinceOf(entry.message.address, now), now)) return undefined
    return entry.message
  }

  /** Removes the messages and evictions of an address. Returns the number of readable messages. */
  purge (address: Address, now: number): number {
    const key = addressKey(address)
    const stream = this.#streams.get(key)
    const hidden = this.#hiddenOf(stream, this.#sinceOf(address, now), now)
    const count = (stream?.length ?? 0) - hidden.count
    for (let first = stream?.first; first !== undefined; first = stream?.first) this.#remove(first)
    this.#evictions.clear(key)
    return count
  }

  clear (): void {
    this.#streams.clear()
    this.#byOffset.clear()
    this.#expiries.clear()
    for (const one of RETENTION_CLASSES) this.#oldest[one] = this.#newest[one] = null
  }

  /** Adds a gap up to an offset for every address. */
  noteHole (upTo: Offset): void {
    this.#evictions.noteHole(upTo)
  }

  /** The time since which messages to an address are not over age. */
  #sinceOf (address: Address, now: number): number {
    return now - this.#retention[retentionClassOf(address)].maxAgeMs
  }

  /**
   * The messages of a stream that reads hide before a record evicts them: their number, and the greatest offset of a
   * message over age.
   */
  #hiddenOf (stream: Fifo<Entry> | undefined, since: number, now: number): { count: number, missedUpTo: Offset } {
    let [count, missedUpTo] = [0, 0]
    if (stream === undefined) return { count, missedUpTo }
    for (let at = 0; at < stream.length; at++) {
      const entry = stream.at(at)
      if (entry === undefined) break
      const isExpired = expiryOf(entry.message) <= now
      const isOld = entry.message.at < since
      if (!isOld && this.#expiring === 0) break
      if (isOld && !isExpired) missedUpTo = entry.message.offset
      if (isOld || isExpired) count++
    }
    return { count, missedUpTo }
  }

  #evictOverCount (key: AddressKey, maxCount: number): void {
    const stream = this.#streams.get(key)
    if (stream === undefined) return
    let first = stream.first
    for (; first !== undefined && stream.length > maxCount; first = stream.first) this.#evict(first)
  }

  #evictOverBytes (): void {
    const { maxBytes } = this.#retention
    let oldest = this.#oldestOfAll()
    for (; oldest !== null && this.#bytes > maxBytes; oldest = this.#oldestOfAll()) this.#evict(oldest)
  }

  #oldestOfAll (): Entry | null {
    const { log, inbox } = this.#oldest
    if (log === null || inbox === null) return log ?? inbox
    return log.message.offset < inbox.message.offset ? log : inbox
  }

  #put (entry: Entry): void {
    const { key, retentionClass, message: { offset } } = entry
    const stream = this.#streams.get(key) ?? new Fifo<Entry>()
    this.#streams.set(key, stream)
    stream.push(entry)
    this.#byOffset.set(offset, entry)
    this.#bytes += entry.bytes
    if (entry.message.ttl !== undefined) this.#expiring++

    const newest = this.#newest[retentionClass]
    entry.older = newest
    if (newest === null) this.#oldest[retentionClass] = entry
    else newest.newer = entry
    this.#newest[retentionClass] = entry
  }

  /** Removes a message that readers may miss: a gap for its address. */
  #evict (entry: Entry): void {
    this.#remove(entry)
    this.#evictions.add(entry.key, entry.message.offset)
  }

  #remove (entry: Entry): void {
    const { key, retentionClass, older, newer, message: { offset } } = entry
    const stream = this.#streams.get(key)
    stream?.removeAt(indexAfter(stream, offset - 1))
    if (stream?.length === 0) this.#streams.delete(key)
    this.#byOffset.delete(offset)
    this.#bytes -= entry.bytes
    if (entry.message.ttl !== undefined) this.#expiring--

    if (older === null) this.#oldest[retentionClass] = newer
    else older.newer = newer
    if (newer === null) this.#newest[retentionClass] = older
    else newer.older = older
    entry.older = entry.newer = null
  }
}

/** Whether a message has not expired and is not over age. `since`: messages from before are over age. */
function isReadable ({ message }: Entry, since: number, now: number): boolean {
  return message.at >= since && expiryOf(message) > now
}

/** The index of the first entry above an offset. */
function indexAfter (stream: Fifo<Entry>, after: Offset): number {
  return stream.search(({ message }) => message.offset > after)
}
