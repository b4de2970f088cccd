import type { AddressKey, Offset } from '../../services/model/message.ts'
import { numberIn, textOf, type Journal, type Moment } from './journal.ts'

/** An address whose messages are for a client, from one moment to another. */
export interface Subscription {
  readonly address: AddressKey
  readonly from: Moment
  until: Moment
  /** Messages above this offset need not come any more. */
  upTo: Offset
}

/** A message that came, and its offset where the protocol says it. */
export interface RecordedMessage {
  readonly n: number
  readonly offset: Offset | null
}

/**
 * A part of a client's life in which the hub promises that nothing is missing between two messages: a connection of a raw
 * client, all connections of a reliable session, all that an SSE client has resumed.
 */
export class Segment {
  readonly messages: RecordedMessage[] = []
  readonly subscriptions: Subscription[] = []
  /** The last offset that came before this round. */
  after: Offset = 0
  /** The client has lost its spec: what came after the last message is nobody's promise. */
  isOver = false
}

/** Who a client is, and whose messages it may get. */
export interface WitnessOptions {
  readonly name: string
  readonly journal: Journal
  readonly addresses: readonly AddressKey[]
  /** It reads the log when all is calm, so it sees what the log has and nothing else. */
  readonly readsLog?: boolean
}

/** What one client saw. */
export class Recorder {
  readonly name: string
  readonly addresses: ReadonlySet<AddressKey>
  readonly readsLog: boolean
  /** The last one goes on unless it is over. */
  segments: Segment[] = []
  /** What was wrong, in words. */
  readonly faults: string[] = []
  /** Messages that came in all, and of these those that the client had before and that its protocol lets it drop. */
  received = 0
  replayed = 0
  /** When its first connection was greeted. */
  firstGreetedAt: Moment = Infinity
  readonly #journal: Journal
  readonly #seen = new Set<number>()

  constructor ({ name, journal, addresses, readsLog = false }: WitnessOptions) {
    this.name = name
    this.#journal = journal
    this.addresses = new Set(addresses)
    this.readsLog = readsLog
  }

  /** A new segment begins; what was before is over. */
  beginSegment (): void {
    this.endSegment()
    this.segments.push(new Segment())
  }

  /** The client has lost its place. */
  endSegment (): void {
    const last = this.segments.at(-1)
    if (last !== undefined) last.isOver = true
  }

  /** The client knows that it gets what is said to these addresses from now on. */
  subscribed (...addresses: readonly AddressKey[]): void {
    const from = this.#journal.now()
    this.firstGreetedAt = Math.min(this.firstGreetedAt, from)
    this.#segment().subscriptions.push(...addresses.map((address) => ({ address, from, until: Infinity, upTo: Infinity })))
  }

  /** From now on it may or may not hear what is said there, nor what has been said and has not come yet. */
  unsubscribing (address: AddressKey): void {
    const until = this.#journal.now()
    const { subscriptions, messages, after } = this.#segment()
    for (const subscription of subscriptions) {
      if (subscription.address !== address || subscription.until < until) continue
      subscription.until = until
      subscription.upTo = messages.at(-1)?.offset ?? after
    }
  }

  /** Whether it listens to an address as far as it knows. */
  isSubscribed (address: AddressKey): boolean {
    const segment = this.segments.at(-1)
    return segment?.isOver === false && segment.subscriptions.some((subscription) => subscription.address === address && subscription.until === Infinity)
  }

  /** A message came. */
  record (text: string, offset: Offset | null): void {
    const n = this.#read(text)
    this.#seen.add(n)
    this.#segment().messages.push({ n, offset })
  }

  /** A message came that the client drops, because it has a later one; it had better have this one, too. */
  recordDropped (text: string, offset: Offset): void {
    const n = this.#read(text)
    this.replayed++
    if (n >= this.#journal.first && !this.#seen.has(n)) this.addFault(`has to drop ${n} at ${offset}, which it never had: it came after a later one`)
  }

  has (n: number): boolean {
    return this.#seen.has(n)
  }

  addFault (what: string): void {
    // The first ones tell; after them, everything is wrong.
    if (this.faults.length < 5) this.faults.push(`${this.name} ${what}`)
  }

  /** Everything so far has been checked: goes on with what it listens to. */
  nextRound (): void {
    const { subscriptions, isOver, messages, after } = this.#segment()
    const next = new Segment()
    next.isOver = isOver
    next.after = messages.at(-1)?.offset ?? after
    next.subscriptions.push(...subscriptions.filter(({ until }) => until === Infinity))
    this.segments = [next]
    this.#seen.clear()
  }

  #segment (): Segment {
    const last = this.segments.at(-1)
    if (last !== undefined) return last
    const first = new Segment()
    this.segments.push(first)
    return first
  }

  #read (text: string): number {
    this.received++
    const n = numberIn(text)
    const published = this.#journal.find(n)
    if (published === undefined) {
      if (!(n < this.#journal.first)) this.addFault(`got a message that nobody published: ${text.slice(0, 80)}`)
    } else {
      if (text !== textOf(published)) this.addFault(`got a message of ${published.bytes} bytes that was changed: ${text.length} characters, and behind the same beginning ${JSON.stringify(text.slice(commonLength(text, textOf(published))).slice(0, 80))}`)
      if (!this.addresses.has(published.address)) this.addFault(`got ${n}, which is for ${published.address}`)
    }
    return n
  }
}

/** How many characters two texts have in common at the beginning. */
function commonLength (a: string, b: string): number {
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  return at
}
