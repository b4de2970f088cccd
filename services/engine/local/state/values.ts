import { ExpiryQueue } from '../collections/expiry-queue.ts'
import { firstIndex } from '../collections/first-index.ts'
import { decodeKey, encodeParent } from './state-key.ts'
import { Watchers } from './watchers.ts'
import { MAX_LISTED, type StateEntry, type StateKey, type StateListener } from '../../state.ts'

/** A value of the state. */
export interface Value {
  /** The value as JSON, so that every caller gets a copy of its own. */
  readonly json: string
  /** Expiry in ms since the epoch. */
  readonly until: number
}

/**
 * Bounds of the values of a state. Beyond a bound, a value of the kind with the most values or the most bytes is
 * evicted, the one that expires first: values of one kind, however many, cannot displace those of the others. The kind
 * is the first part of the key.
 */
export interface ValueBounds {
  /**
   * Values at most.
   * @default 1000000
   */
  readonly values?: number
  /**
   * Bytes of all keys and values at most, in characters of their texts.
   * @default 268435456 (256 MiB)
   */
  readonly bytes?: number
}

/** The values of one kind, counted. */
class Kind {
  values = 0
  bytes = 0
  readonly expiries: ExpiryQueue<string>

  /** @param isDue Whether the value of a key still expires at a time. */
  constructor (isDue: (text: string, at: number) => boolean) {
    this.expiries = new ExpiryQueue(isDue)
  }
}

/** The values of a state in memory, by encoded key, with their expiries and watches. */
export class Values {
  readonly #now: () => number
  readonly #maxValues: number
  readonly #maxBytes: number
  readonly #values = new Map<string, Value>()
  /** All keys, sorted. */
  #keys: string[] = []
  readonly #kinds = new Map<string, Kind>()
  readonly #watchers: Watchers
  #bytes = 0

  /** @param now The time in ms since the epoch. */
  constructor (now: () => number, { values = 1_000_000, bytes = 256 * 1024 ** 2 }: ValueBounds = {}) {
    this.#now = now
    this.#maxValues = values
    this.#maxBytes = bytes
    this.#watchers = new Watchers(now)
  }

  /** Bytes of all keys and values, in characters of their texts. */
  get bytes (): number {
    return this.#bytes
  }

  /** The value of a key that has not expired. */
  get (text: string): Value | undefined {
    const value = this.#values.get(text)
    return value !== undefined && value.until > this.#now() ? value : undefined
  }

  /** Replaces a value; null removes the value. */
  set (text: string, value: Value | null): void {
    if (value === null) this.#delete(text)
    else this.#put(text, value)
  }

  /** Adds values that an earlier process had: an expired one is left out. Faster than `set` for many values. */
  load (values: ReadonlyMap<string, Value>): void {
    for (const [text, value] of values) {
      if (value.until <= this.#now()) continue
      this.#values.set(text, value)
      this.#count(text, value)
    }
    this.#keys = [...this.#values.keys()].sort()
  }

  /** The parsed value of a key that has not expired: a copy of its own for every caller. */
  read (text: string): unknown {
    const value = this.get(text)
    return value === undefined ? undefined : JSON.parse(value.json)
  }

  /** The entries below a parent, in the order of keys; see `State.list`. */
  list (parent: StateKey, limit: number): StateEntry[] {
    const found: StateEntry[] = []
    for (const [text, { json }] of this.#below(parent)) {
      if (found.length >= Math.min(limit, MAX_LISTED)) break
      found.push({ key: decodeKey(text), value: JSON.parse(json) })
    }
    return found
  }

  /** All values, expired ones included. Values that are set while the iterator is in use may be left out. */
  entries (): IterableIterator<[text: string, value: Value]> {
    return this.#values.entries()
  }

  /** Hands a listener the present values below a parent, then every change. Returns a function that ends the watch. */
  watch (parent: StateKey, listener: StateListener): () => void {
    const present = [...this.#below(parent)].map(([text, value]) => ({ text, ...value }))
    return this.#watchers.add(encodeParent(parent), listener, present)
  }

  evictExpired (): void {
    for (const { expiries } of this.#kinds.values()) {
      for (const text of expiries.take(this.#now())) this.#delete(text)
    }
  }

  /** Ends all watches. */
  endWatches (): void {
    this.#watchers.close()
  }

  /** Ends all watches and removes all values. */
  clear (): void {
    this.endWatches()
    this.#values.clear()
    this.#keys = []
    this.#kinds.clear()
    this.#bytes = 0
  }

  /** Yields the keys below a parent that have values, in order. */
  * #below (parent: StateKey): Generator<readonly [text: string, value: Value], void> {
    this.evictExpired()
    const prefix = encodeParent(parent)
    for (let at = this.#indexOf(prefix); ; at++) {
      const text = this.#keys[at]
      if (text?.startsWith(prefix) !== true) return
      const value = this.#values.get(text)
      if (value !== undefined) yield [text, value]
    }
  }

  #put (text: string, value: Value): void {
    const present = this.#values.get(text)
    if (present === undefined) this.#keys.splice(this.#indexOf(text), 0, text)
    else this.#uncount(text, present)
    this.#values.set(text, value)
    this.#count(text, value)
    this.#watchers.changed(text, value)
    this.#evictOverBounds()
  }

  #delete (text: string): void {
    const present = this.#values.get(text)
    if (present === undefined) return
    this.#values.delete(text)
    this.#uncount(text, present)
    this.#keys.splice(this.#indexOf(text), 1)
    this.#watchers.changed(text, null)
  }

  #count (text: string, value: Value): void {
    const kind = this.#add(text, 1, sizeOf(text, value))
    kind.expiries.add(text, value.until)
  }

  #uncount (text: string, value: Value): void {
    this.#add(text, -1, -sizeOf(text, value))
  }

  #add (text: string, values: number, bytes: number): Kind {
    const [name = ''] = text.split('/', 1)
    let kind = this.#kinds.get(name)
    if (kind === undefined) {
      kind = new Kind((one, at) => this.#values.get(one)?.until === at)
      this.#kinds.set(name, kind)
    }
    kind.values += values
    kind.bytes += bytes
    this.#bytes += bytes
    return kind
  }

  #evictOverBounds (): void {
    for (;;) {
      const bound = this.#values.size > this.#maxValues ? 'values' : 'bytes'
      if (bound === 'bytes' && this.#bytes <= this.#maxBytes) return
      const [largest] = [...this.#kinds.values()].sort((a, b) => b[bound] - a[bound])
      const [first] = largest?.expiries.take(Infinity) ?? []
      if (first === undefined) return
      this.#delete(first)
    }
  }

  /** The index of the first key at or after this one. */
  #indexOf (text: string): number {
    return firstIndex(this.#keys, (one) => one >= text)
  }
}

function sizeOf (text: string, { json }: Value): number {
  return text.length + json.length
}
