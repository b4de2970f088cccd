import type { AddressKey, Offset } from '../../services/model/message.ts'
import { numberIn, textOf, type Journal, type Moment } from './journal.ts'

/** An address whose messages are for a client, from one moment to another. */
export interface Span {
  readonly address: AddressKey
  readonly from: Moment
  until: Moment
  /** Messages above this offset need not come any more. */
  upTo: Offset
}

/** A message that came, and its offset where the protocol says it. */
export interface Got {
  readonly n: number
  readonly offset: Offset | null
}

/**
 * A part of a client's life in which the hub promises that nothing is missing between two messages: a connection of a raw
 * client, all connections of a reliable session, all that an SSE client has resumed.
 */
export class Stretch {
  readonly got: Got[] = []
  readonly spans: Span[] = []
  /** The last offset that came before this round. */
  after: Offset = 0
  /** The client has lost its place: what came after the last message is nobody's promise. */
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
export class Witness {
  readonly name: string
  readonly addresses: ReadonlySet<AddressKey>
  readonly readsLog: boolean
  /** The last one goes on unless it is over. */
  stretches: Stretch[] = []
  /** What was wrong, in words. */
  readonly faults: string[] = []
  /** Messages that came in all, and of these those that the client had before and that its protocol lets it drop. */
  received = 0
  replayed = 0
  /** When its first connection was greeted. */
  firstSeen: Moment = Infinity
  readonly #journal: Journal
  readonly #seen = new Set<number>()

  constructor ({ name, journal, addresses, readsLog = false }: WitnessOptions) {
    this.name = name
    this.#journal = journal
    this.addresses = new Set(addresses)
    this.readsLog = readsLog
  }

  /** A new stretch begins; what was before is over. */
  begin (): void {
    this.lose()
    this.stretches.push(new Stretch())
  }

  /** The client has lost its place. */
  lose (): void {
    const last = this.stretches.at(-1)
    if (last !== undefined) last.isOver = true
  }

  /** The client knows that it gets what is said to these addresses from now on. */
  hears (...addresses: readonly AddressKey[]): void {
    const from = this.#journal.now()
    this.firstSeen = Math.min(this.firstSeen, from)
    this.#stretch().spans.push(...addresses.map((address) => ({ address, from, until: Infinity, upTo: Infinity })))
  }

  /** From now on it may or may not hear what is said there, nor what has been said and has not come yet. */
  ignores (address: AddressKey): void {
    const until = this.#journal.now()
    const { spans, got, after } = this.#stretch()
    for (const span of spans) {
      if (span.address !== address || span.until < until) continue
      span.until = until
      span.upTo = got.at(-1)?.offset ?? after
    }
  }

  /** Whether it listens to an address as far as it knows. */
  isAt (address: AddressKey): boolean {
    const stretch = this.stretches.at(-1)
    return stretch?.isOver === false && stretch.spans.some((span) => span.address === address && span.until === Infinity)
  }

  /** A message came. */
  get (text: string, offset: Offset | null): void {
    const n = this.#read(text)
    this.#seen.add(n)
    this.#stretch().got.push({ n, offset })
  }

  /** A message came that the client drops, because it has a later one; it had better have this one, too. */
  drop (text: string, offset: Offset): void {
    const n = this.#read(text)
    this.replayed++
    if (n >= this.#journal.first && !this.#seen.has(n)) this.blame(`has to drop ${n} at ${offset}, which it never had: it came after a later one`)
  }

  has (n: number): boolean {
    return this.#seen.has(n)
  }

  blame (what: string): void {
    // The first ones tell; after them, everything is wrong.
    if (this.faults.length < 5) this.faults.push(`${this.name} ${what}`)
  }

  /** Everything so far has been checked: goes on with what it listens to. */
  nextRound (): void {
    const { spans, isOver, got, after } = this.#stretch()
    const next = new Stretch()
    next.isOver = isOver
    next.after = got.at(-1)?.offset ?? after
    next.spans.push(...spans.filter(({ until }) => until === Infinity))
    this.stretches = [next]
    this.#seen.clear()
  }

  #stretch (): Stretch {
    const last = this.stretches.at(-1)
    if (last !== undefined) return last
    const first = new Stretch()
    this.stretches.push(first)
    return first
  }

  #read (text: string): number {
    this.received++
    const n = numberIn(text)
    const said = this.#journal.find(n)
    if (said === undefined) {
      if (!(n < this.#journal.first)) this.blame(`got a message that nobody said: ${text.slice(0, 80)}`)
    } else {
      if (text !== textOf(said)) this.blame(`got a message of ${said.bytes} bytes that was changed: ${text.length} characters, and behind the same beginning ${JSON.stringify(text.slice(differsAt(text, textOf(said))).slice(0, 80))}`)
      if (!this.addresses.has(said.address)) this.blame(`got ${n}, which is for ${said.address}`)
    }
    return n
  }
}

/** How many characters two texts have in common at the beginning. */
function differsAt (a: string, b: string): number {
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  return at
}
