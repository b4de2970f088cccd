import { NO_ORDINAL, type IndexRecord, type NewRecord, type Selection } from '../../../../../services/engine/local/index/index-record.ts'
import type { Retention } from '../../../../../services/engine/local/retention.ts'
import type { PageLimit, Range, Summary } from '../../../../../services/engine/store.ts'
import { addressKey, type AddressKey, type Offset } from '../../../../../services/model/message.ts'

type Evicted = Summary['evicted']

interface Stored extends IndexRecord {
  readonly until: number
  readonly ordinal: number
}

/** The meaning of LogIndex in plain arrays, Maps and loops. */
export class LogModel {
  records: Stored[] = []
  readonly evicted = new Map<AddressKey, Evicted>()
  removed: Array<[Offset, number, number]> = []
  readonly #retention: Retention
  #doubtUpTo: Offset = 0

  constructor (retention: Retention) {
    this.#retention = retention
  }

  get bytes (): number {
    return this.records.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  add (key: AddressKey, record: NewRecord): void {
    const { position = 0, ordinal = NO_ORDINAL } = record
    this.records.push({ ...record, key, position, ordinal })
  }

  evict (at: number, key: AddressKey | undefined): void {
    for (const one of this.records.filter(({ until }) => until <= at)) this.#evict(one, 0)
    for (const one of this.records.filter((record) => this.#isOverAge(record, at))) this.#evict(one)
    const own = this.records.filter((record) => record.key === key)
    for (const one of own.slice(0, Math.max(0, own.length - this.#limits(key ?? '').maxCount))) this.#evict(one)
    while (this.bytes > this.#retention.maxBytes) this.#evict(this.records[0])
  }

  lose (offset: Offset): void {
    this.#evict(this.records.find((one) => one.offset === offset))
  }

  miss (key: AddressKey, offset: Offset): void {
    this.#count(key, offset)
  }

  doubt (upTo: Offset): void {
    this.#doubtUpTo = Math.max(this.#doubtUpTo, upTo)
  }

  purge (key: AddressKey, now: number): number {
    const own = this.records.filter((record) => record.key === key)
    for (const one of own) this.#remove(one)
    this.evicted.delete(key)
    return own.filter((one) => this.#isReadable(one, now)).length
  }

  setPosition (offset: Offset, position: number): void {
    this.records = this.records.map((one) => one.offset === offset ? { ...one, position } : one)
  }

  find (offset: Offset, now: number): IndexRecord | undefined {
    const found = this.records.find((one) => one.offset === offset && this.#isReadable(one, now))
    return found === undefined ? undefined : visible(found)
  }

  select (ranges: readonly Range[], limit: PageLimit, head: Offset, now: number): Selection {
    const all = this.records.filter((one) => ranges.some((range) => isIn(range, one)) && this.#isReadable(one, now))
    const gapUpTo = Math.max(0, ...ranges.map((range) => this.#gapUpTo(range, now)))
    const records: IndexRecord[] = []
    let bytes = 0
    for (const one of all) {
      bytes += one.bytes - 64 - Buffer.byteLength(one.key)
      const last = records.at(-1)
      const isFull = records.length >= limit.messages || bytes > limit.bytes
      if (last !== undefined && isFull) return { records, upTo: last.offset, gapUpTo }
      records.push(visible(one))
    }
    return { records, upTo: head, gapUpTo }
  }

  summary (range: Range, now: number): Summary {
    const key = addressKey(range.address)
    const own = this.records.filter((one) => one.key === key)
    const readable = own.filter((one) => this.#isReadable(one, now))
    const inRange = readable.filter((one) => isIn(range, one))
    const { count } = this.#evictedOf(key)
    return {
      count: inRange.length,
      oldest: inRange[0]?.offset ?? 0,
      evicted: { count: count + own.length - readable.length, upTo: this.#missedUpTo(key, now) }
    }
  }

  #gapUpTo ({ address, after, upTo = Infinity }: Range, now: number): Offset {
    const missed = this.#missedUpTo(addressKey(address), now)
    return missed > after ? Math.min(missed, upTo) : 0
  }

  /** The greatest offset that a reader of an address misses, with the records that are over age. */
  #missedUpTo (key: AddressKey, now: number): Offset {
    const old = this.records.filter((one) => one.key === key && this.#isOverAge(one, now) && one.until > now)
    return Math.max(this.#evictedOf(key).upTo, old.at(-1)?.offset ?? 0)
  }

  #evictedOf (key: AddressKey): Evicted {
    const { count, upTo } = this.evicted.get(key) ?? { count: 0, upTo: 0 }
    return { count, upTo: Math.max(upTo, this.#doubtUpTo) }
  }

  #limits (key: AddressKey) {
    return key.startsWith('user:') ? this.#retention.inbox : this.#retention.log
  }

  #isOverAge ({ key, at }: IndexRecord, now: number): boolean {
    return at < now - this.#limits(key).maxAgeMs
  }

  #isReadable (record: Stored, now: number): boolean {
    return record.until > now && !this.#isOverAge(record, now)
  }

  #evict (record: Stored | undefined, upTo = record?.offset ?? 0): void {
    if (record === undefined) return
    this.#remove(record)
    this.#count(record.key, upTo)
  }

  #count (key: AddressKey, upTo: Offset): void {
    const present = this.evicted.get(key) ?? { count: 0, upTo: 0 }
    this.evicted.set(key, { count: present.count + 1, upTo: Math.max(present.upTo, upTo) })
  }

  #remove (record: Stored): void {
    this.records = this.records.filter((one) => one !== record)
    this.removed.push([record.offset, record.ordinal, record.bytes])
  }
}

function isIn ({ address, after, upTo = Infinity }: Range, { key, offset }: IndexRecord): boolean {
  return key === addressKey(address) && offset > after && offset <= upTo
}

/** What an index tells of a record. */
function visible ({ key, offset, at, bytes, position }: Stored): IndexRecord {
  return { key, offset, at, bytes, position }
}
