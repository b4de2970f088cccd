import type { Offset } from '../../services/model/message.ts'
import type { Journal, PublishedMessage } from './journal.ts'
import type { RecordedMessage, Subscription, Segment, Recorder } from './recorder.ts'

/** What the recorders of a round say together. */
export interface CheckResult {
  readonly faults: string[]
  /** Messages that came again in a later connection of a client that cannot say what it has: allowed. */
  readonly repeated: number
  /** Messages that came twice, because the hub was killed after it had handed them out and before it had stored them, and their publisher said them again. */
  readonly crashDuplicates: number
}

/** Checks what the clients saw in a round against what the publisher knows. All of them have the last message of each of their addresses. */
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

/** What is checked of one client, beside what its recorder saw by itself. */
class ClientCheck {
  readonly faults: string[] = []
  crashDuplicates = 0
  repeated = 0
  readonly #recorder: Recorder
  readonly #journal: Journal
  /** Which message each offset belongs to, for all clients. */
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

  /** Every message once, in the order of the offsets. Answers which messages there are, and the last offset. */
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

  /** Where a message is in the log: what the protocol says, or else the receipt. Null when that cannot be told. */
  #offsetOf ({ n, offset }: RecordedMessage): Offset | null {
    const published = this.#journal.find(n)
    if (offset === null) return published?.wasInterrupted === false ? published.acknowledged?.offset ?? null : null
    const known = this.#order.get(offset)
    if (known !== undefined && known !== n) this.#addFault(`got ${n} at ${offset}, where others got ${known}`)
    this.#order.set(offset, n)
    if (published !== undefined && !published.wasInterrupted && published.acknowledged !== null && published.acknowledged.offset !== offset) {
      this.#addFault(`got ${n} at ${offset}, but the receipt says ${published.acknowledged.offset}`)
    }
    return offset
  }

  /**
   * A message came twice. That may only be one that was said twice, because the hub was killed at the first time; and the
   * log has it once.
   */
  #checkRepetition ({ n, offset }: RecordedMessage): void {
    const published = this.#journal.find(n)
    const isCrashDuplicate = offset !== null && published?.wasInterrupted === true && (published.acknowledged === null || published.acknowledged.offset === offset)
    if (isCrashDuplicate && !this.#recorder.readsLog) this.crashDuplicates++
    else this.#addFault(`got ${n} twice`)
  }

  /** Nothing is missing that was acknowledged, up to a limit. */
  #checkCompleteness ({ subscriptions, isOver }: Segment, seen: ReadonlySet<number>, limit: Offset): void {
    for (const published of this.#journal.all()) {
      if (published.acknowledged === null || published.acknowledged.offset > limit || seen.has(published.n) || !subscriptions.some((subscription) => covers(subscription, published))) continue
      this.#addFault(`misses ${published.n} to ${published.address} at ${published.acknowledged.offset}, ${isOver ? 'before it lost its place' : 'up to the end'}`)
    }
  }

  /** What was said to the user has come at least once, whichever connections there were. */
  #checkInbox (seen: ReadonlySet<number>): void {
    const { addresses, firstGreetedAt } = this.#recorder
    for (const { n, address, acknowledged, startedAt } of this.#journal.all()) {
      if (!address.startsWith('user:') || !addresses.has(address) || startedAt < firstGreetedAt) continue
      if (acknowledged !== null && !seen.has(n)) this.#addFault(`never got ${n} of its inbox, at ${acknowledged.offset}`)
    }
  }

  #addFault (what: string): void {
    // The first ones tell.
    if (this.faults.length < 5) this.faults.push(`${this.#recorder.name} ${what}`)
  }
}

function covers ({ address, from, until, upTo }: Subscription, { address: to, startedAt, acknowledged }: PublishedMessage): boolean {
  return address === to && startedAt > from && acknowledged !== null && acknowledged.at < until && acknowledged.offset <= upTo
}
