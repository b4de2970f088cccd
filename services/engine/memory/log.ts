import { addressKey, payloadBytes, type Address, type AddressKey, type Message, type Offset } from '../../model/message.ts'
import { ExpiryQueue } from '../local/expiry-queue.ts'
import type { Range, Source, Summary } from '../engine.ts'
import { Evictions } from '../local/evictions.ts'
import { Fifo } from '../local/fifo.ts'
import { ageFloor, expiryOf, RETENTION_CLASSES, retentionClassOf, type Retention, type RetentionClass } from '../local/retention.ts'

interface Entry {
  readonly message: Message
  readonly key: AddressKey
  readonly shelf: RetentionClass
  readonly bytes: number
  older: Entry | null
  newer: Entry | null
}

/** What an entry costs beside its payload, about. */
const ENTRY_BYTES = 300

/** Messages in this process's memory: by address, and on each shelf in the order of their ages. */
export class MemoryLog {
  readonly #retention: Retention
  readonly #evictions: Evictions
  readonly #lines = new Map<AddressKey, Fifo<Entry>>()
  readonly #byOffset = new Map<Offset, Entry>()
  readonly #ends = new ExpiryQueue<Offset>((offset) => this.#byOffset.has(offset))
  /** The oldest and the newest of each shelf; between them they lead to each other. */
  readonly #oldest: Record<RetentionClass, Entry | null> = { log: null, inbox: null }
  readonly #newest: Record<RetentionClass, Entry | null> = { log: null, inbox: null }
  #bytes = 0

  constructor (retention: Retention, evictions = new Evictions()) {
    this.#retention = retention
    this.#evictions = evictions
  }

  /** Answers false when the message alone is more than the log may hold. */
  append (message: Message, now: number): boolean {
    const key = addressKey(message.address)
    const bytes = ENTRY_BYTES + payloadBytes(message.payload) + (message.except ?? []).reduce((sum, id) => sum + id.length, 0)
    if (bytes > this.#retention.maxBytes) {
      this.#evictions.add(key, message.offset)
      return false
    }
    this.sweep(now)
    const entry: Entry = { message, key, shelf: retentionClassOf(message.address), bytes, older: null, newer: null }
    this.#put(entry)
    this.#ends.add(message.offset, expiryOf(message.ttl, now))
    const line = this.#lines.get(key)
    for (let first = line?.first; first !== undefined && line !== undefined && line.length > this.#retention[entry.shelf].maxCount; first = line.first) this.#evict(first)
    for (let oldest = this.#oldestOfAll(); oldest !== null && this.#bytes > this.#retention.maxBytes; oldest = this.#oldestOfAll()) this.#evict(oldest)
    return true
  }

  /** Throws out what has expired or is too old. */
  sweep (now: number): void {
    for (const offset of this.#ends.take(now)) {
      const entry = this.#byOffset.get(offset)
      if (entry === undefined) continue
      this.#remove(entry)
      this.#evictions.add(entry.key, 0)
    }
    for (const shelf of RETENTION_CLASSES) {
      const floor = ageFloor(this.#retention[shelf], now)
      for (let oldest = this.#oldest[shelf]; oldest !== null && oldest.message.offset < floor; oldest = this.#oldest[shelf]) this.#evict(oldest)
    }
  }

  * read ({ address, after }: Source): Generator<Message, void> {
    const line = this.#lines.get(addressKey(address))
    if (line === undefined) return
    let at = indexAfter(line, after)
    for (let entry = line.at(at); entry !== undefined; entry = line.at(++at)) yield entry.message
  }

  /** The greatest offset of what a reader misses; 0 when it misses nothing. */
  gapUpTo ({ address, after }: Source): Offset {
    const { upTo } = this.#evictions.of(addressKey(address))
    return upTo > after ? upTo : 0
  }

  summary ({ address, after, upTo = Infinity }: Range): Summary {
    const key = addressKey(address)
    const line = this.#lines.get(key)
    const evicted = this.#evictions.of(key)
    if (line === undefined) return { count: 0, oldest: 0, evicted }
    const first = indexAfter(line, after)
    const count = Math.max(0, indexAfter(line, upTo) - first)
    return { count, oldest: count === 0 ? 0 : line.at(first)?.message.offset ?? 0, evicted }
  }

  find (offset: Offset): Message | undefined {
    return this.#byOffset.get(offset)?.message
  }

  purge (address: Address): number {
    const key = addressKey(address)
    const line = this.#lines.get(key)
    const count = line?.length ?? 0
    for (let first = line?.first; first !== undefined; first = line?.first) this.#remove(first)
    this.#evictions.clear(key)
    return count
  }

  clear (): void {
    this.#lines.clear()
    this.#byOffset.clear()
    this.#ends.clear()
    for (const shelf of RETENTION_CLASSES) this.#oldest[shelf] = this.#newest[shelf] = null
  }

  #oldestOfAll (): Entry | null {
    const { log, inbox } = this.#oldest
    if (log === null || inbox === null) return log ?? inbox
    return log.message.offset < inbox.message.offset ? log : inbox
  }

  #put (entry: Entry): void {
    const { key, shelf, message: { offset } } = entry
    const line = this.#lines.get(key) ?? new Fifo<Entry>()
    this.#lines.set(key, line)
    line.push(entry)
    this.#byOffset.set(offset, entry)
    this.#bytes += entry.bytes

    const newest = this.#newest[shelf]
    entry.older = newest
    if (newest === null) this.#oldest[shelf] = entry
    else newest.newer = entry
    this.#newest[shelf] = entry
  }

  #evict (entry: Entry): void {
    this.#remove(entry)
    this.#evictions.add(entry.key, entry.message.offset)
  }

  #remove (entry: Entry): void {
    const { key, shelf, older, newer, message: { offset } } = entry
    const line = this.#lines.get(key)
    line?.removeAt(indexAfter(line, offset - 1))
    if (line?.length === 0) this.#lines.delete(key)
    this.#byOffset.delete(offset)
    this.#bytes -= entry.bytes

    if (older === null) this.#oldest[shelf] = newer
    else older.newer = newer
    if (newer === null) this.#newest[shelf] = older
    else newer.older = older
    entry.older = entry.newer = null
  }
}

function indexAfter (line: Fifo<Entry>, after: Offset): number {
  return line.search(({ message }) => message.offset > after)
}
