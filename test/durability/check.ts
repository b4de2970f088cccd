import type { Offset } from '../../services/model/message.ts'
import type { Journal, PublishedMessage } from './journal.ts'
import type { RecordedMessage, Subscription, Segment, Recorder } from './recorder.ts'

/** Result of a round, for all clients together. */
export interface CheckResult {
  readonly faults: string[]
  /** Messages repeated in a later connection of a client that cannot report its last message: allowed. */
  readonly repeated: number
  /**
   * Messages delivered twice: the hub was killed after the delivery and before the message was stored, and the
   * publisher published the message again.
   */
  readonly crashDuplicates: number
}

/**
 * Checks the messages that the clients received in a round against the journal. All clients have the last message of
 * each of their addresses.
 */
export function checkRound (recorders: readonly Recorder[], journal: Journal): CheckResult {
  const order = new Map<Offset, number>()
  const checks = recorders.map((recorder) => new ClientCheck(recorder, journal, order))
  for (const check of checks) check.run()
  return {
    faults: [...recorders.flatMap(({ faults }) => faults), ...checks.flatMap(({ faults }) => faults)],
    repeated: checks.reduce((sum, { repeated }) => sum + repeated, 0),
    crashDuplicates: checks.reduce((sum, { crashDuplicates }) => sum + crashDuplicates, 0)
  }
}

/** Checks the recorded messages of one client, beside the checks of the recorder itself. */
class ClientCheck {
  readonly faults: string[] = []
  crashDuplicates = 0
  repeated = 0
  readonly #recorder: Recorder
  readonly #journal: Journal
  /** Number of the message at each offset, for all clients. */
  readonly #order: Map<Offset, number>

  constructor (recorder: Recorder, journal: Journal, order: Map<Offset, number>) {
    this.#recorder = recorder
    this.#journal = journal
    this.#order = order
  }

  run (): void {
    const everything = new Set<number>()
    for (const segment of this.#recorder.segments) {
      const { seen, last } = this.#checkOrder(segment)
      this.#checkCompleteness(segment, seen, segment.isOver ? last : Infinity)
      for (const n of seen) {
        if (everything.has(n)) this.repeated++
        everything.add(n)
      }
    }
    this.#checkInbox(everything)
  }

  /** Checks that each message came once, in the order of offsets. Returns the message numbers and the last offset. */
  #checkOrder ({ messages, after }: Segment): { seen: Set<number>, last: Offset } {
    const seen = new Set<number>()
    let last = after
    for (const message of messages) {
      const offset = this.#offsetOf(message)
      if (offset !== null && offset <= last) this.#addFault(`got ${message.n} at ${offset} after ${last}`)
      if (seen.has(message.n)) this.#checkRepetition(message)
      last = Math.max(last, offset ?? 0)
      seen.add(message.n)
    }
    return { seen, last }
  }

  /** Offset of a message in the log: of the protocol, or else of the receipt. Null when unknown. */
  #offsetOf ({ n, offset }: RecordedMessage): Offset | null {
    const published = this.#journal.find(n)
    if (offset === null) return published?.wasInterrupted === false ? published.acknowledged?.offset ?? null : null
    const known = this.#order.get(offset)
    if (known !== undefined && known !== n) this.#addFault(`got ${n} at ${offset}, where others got ${known}`)
    this.#order.set(offset, n)
    const acknowledged = published?.wasInterrupted === false ? published.acknowledged : null
    if (acknowledged !== null && acknowledged.offset !== offset) {
      this.#addFault(`got ${n} at ${offset}, but the receipt states ${acknowledged.offset}`)
    }
    return offset
  }

  /**
   * Checks a message that came twice. This is allowed only for a message that was published twice because the hub was
   * killed at the first attempt; the log has such a message once.
   */
  #checkRepetition ({ n, offset }: RecordedMessage): void {
    const published = this.#journal.find(n)
    const { wasInterrupted = false, acknowledged = null } = published ?? {}
    const hasSameOffset = acknowledged === null || acknowledged.offset === offset
    const isCrashDuplicate = offset !== null && wasInterrupted && hasSameOffset
    if (isCrashDuplicate && !this.#recorder.readsLog) this.crashDuplicates++
    else this.#addFault(`got ${n} twice`)
  }

  /** Checks that no acknowledged message is missing, up to a limit. */
  #checkCompleteness ({ subscriptions, isOver }: Segment, seen: ReadonlySet<number>, limit: Offset): void {
    for (const published of this.#journal.all()) {
      if (published.acknowledged === null || published.acknowledged.offset > limit || seen.has(published.n)) continue
      if (!subscriptions.some((subscription) => covers(subscription, published))) continue
      const { n, address, acknowledged: { offset } } = published
      const limitName = isOver ? 'before the last message of the segment' : 'up to the end'
      this.#addFault(`misses ${n} to ${address} at ${offset}, ${limitName}`)
    }
  }

  /** Checks that each message to the user came at least once, in any of the connections. */
  #checkInbox (seen: ReadonlySet<number>): void {
    const { addresses, firstGreetedAt } = this.#recorder
    for (const { n, address, acknowledged, startedAt } of this.#journal.all()) {
      if (!address.startsWith('user:') || !addresses.has(address) || startedAt < firstGreetedAt) continue
      if (acknowledged === null || seen.has(n)) continue
      this.#addFault(`never got ${n} of its inbox, at ${acknowledged.offset}`)
    }
  }

  #addFault (what: string): void {
    // The first faults show the cause.
    if (this.faults.length < 5) this.faults.push(`${this.#recorder.name} ${what}`)
  }
}

function covers (subscription: Subscription, { address, startedAt, acknowledged }: PublishedMessage): boolean {
  const { from, until, upTo } = subscription
  if (address !== subscription.address || startedAt <= from || acknowledged === null) return false
  return acknowledged.at < until && acknowledged.offset <= upTo
}
