import type { AddressKey, Offset } from '../../services/model/message.ts'
import { numberIn, textOf, type Journal, type Moment } from './journal.ts'

/** An address whose messages a client receives, from one moment to another. */
export interface Subscription {
  readonly address: AddressKey
  readonly from: Moment
  until: Moment
  /** Messages above this offset are optional. */
  upTo: Offset
}

/** A received message, and its offset where the protocol has one. */
export interface RecordedMessage {
  readonly n: number
  readonly offset: Offset | null
}

/**
 * A part of the life of a client in which the hub promises that no message is missing between two messages: a
 * connection of a raw client, all connections of a reliable session, or all resumed connections of an SSE client.
 */
export class Segment {
  readonly messages: RecordedMessage[] = []
  readonly subscriptions: Subscription[] = []
  /** The last offset that was received before this round. */
  after: Offset = 0
  /** Whether the client can no longer resume: messages after the last received one are not promised. */
  isOver = false
}

/** Name of a client, and the addresses whose messages are for this client. */
export interface WitnessOptions {
  readonly name: string
  readonly journal: Journal
  readonly addresses: readonly AddressKey[]
  /**
   * Whether the client reads the log after the disturbances, and therefore receives exactly the messages of the log.
   */
  readonly readsLog?: boolean
}

/** Records the messages of one client. */
export class Recorder {
  readonly name: string
  readonly addresses: ReadonlySet<AddressKey>
  readonly readsLog: boolean
  /** Segments in order; the last one continues until `isOver`. */
  segments: Segment[] = []
  /** Faults, in words. */
  readonly faults: string[] = []
  /** Count of received messages, and of those that the client already has and drops, as its protocol allows. */
  received = 0
  replayed = 0
  /** Moment of the first greeting. */
  firstGreetedAt: Moment = Infinity
  readonly #journal: Journal
  readonly #seen = new Set<number>()

  constructor ({ name, journal, addresses, readsLog = false }: WitnessOptions) {
    this.name = name
    this.#journal = journal
    this.addresses = new Set(addresses)
    this.readsLog = readsLog
  }

  /** Begins a new segment and ends the one before. */
  beginSegment (): void {
    this.endSegment()
    this.segments.push(new Segment())
  }

  /** Ends the segment: the client cannot resume. */
  endSegment (): void {
    const last = this.segments.at(-1)
    if (last !== undefined) last.isOver = true
  }

  /** Records that the client knows: messages to these addresses are delivered from now on. */
  subscribed (...addresses: readonly AddressKey[]): void {
    const from = this.#journal.now()
    this.firstGreetedAt = Math.min(this.firstGreetedAt, from)
    const added = addresses.map((address) => ({ address, from, until: Infinity, upTo: Infinity }))
    this.#segment().subscriptions.push(...added)
  }

  /** Records that messages to an address are optional from now on, also published messages that are still in flight. */
  unsubscribing (address: AddressKey): void {
    const until = this.#journal.now()
    const { subscriptions, messages, after } = this.#segment()
    for (const subscription of subscriptions) {
      if (subscription.address !== address || subscription.until < until) continue
      subscription.until = until
      subscription.upTo = messages.at(-1)?.offset ?? after
    }
  }

  /** Whether the client knows of a subscription to an address. */
  isSubscribed (address: AddressKey): boolean {
    const segment = this.segments.at(-1)
    if (segment === undefined || segment.isOver) return false
    return segment.subscriptions.some((subscription) => {
      return subscription.address === address && subscription.until === Infinity
    })
  }

  /** Records a received message. */
  record (text: string, offset: Offset | null): void {
    const n = this.#read(text)
    this.#seen.add(n)
    this.#segment().messages.push({ n, offset })
  }

  /** Records a message that the client drops because of a later one; the client has to have this message, too. */
  recordDropped (text: string, offset: Offset): void {
    const n = this.#read(text)
    this.replayed++
    if (n >= this.#journal.first && !this.#seen.has(n)) {
      this.addFault(`has to drop ${n} at ${offset}, which it never received: it came after a later one`)
    }
  }

  has (n: number): boolean {
    return this.#seen.has(n)
  }

  addFault (what: string): void {
    // The first faults show the cause; later ones follow from them.
    if (this.faults.length < 5) this.faults.push(`${this.name} ${what}`)
  }

  /** Starts the next round, after all messages so far have been checked; the subscriptions continue. */
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
      if (!(n < this.#journal.first)) this.addFault(`got a message that was not published: ${text.slice(0, 80)}`)
    } else {
      const expected = textOf(published)
      if (text !== expected) {
        const rest = JSON.stringify(text.slice(commonLength(text, expected)).slice(0, 80))
        const sizes = `${published.bytes} bytes became ${text.length} characters`
        this.addFault(`got a changed message: ${sizes}, the difference begins with ${rest}`)
      }
      if (!this.addresses.has(published.address)) this.addFault(`got ${n}, which is for ${published.address}`)
    }
    return n
  }
}

/** Number of characters that two texts have in common at the beginning. */
function commonLength (a: string, b: string): number {
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  return at
}
