import type { Offset } from '../../services/model/message.ts'
import type { Journal, Said } from './journal.ts'
import type { Got, Span, Stretch, Witness } from './recorder.ts'

/** What the witnesses of a round say together. */
export interface Verdict {
  readonly faults: string[]
  /** Messages that came again in a later connection of a client that cannot say what it has: allowed. */
  readonly repeated: number
  /** Messages that came twice, because the hub was killed after it had handed them out and before it had stored them, and their publisher said them again. */
  readonly phantoms: number
}

/** Checks what the clients saw in a round against what the publisher knows. All of them have the last message of each of their addresses. */
export function judge (witnesses: readonly Witness[], journal: Journal): Verdict {
  const order = new Map<Offset, number>()
  const trials = witnesses.map((witness) => new Trial(witness, journal, order))
  for (const trial of trials) trial.run()
  return {
    faults: [...witnesses.flatMap(({ faults }) => faults), ...trials.flatMap(({ faults }) => faults)],
    repeated: trials.reduce((sum, { repeated }) => sum + repeated, 0),
    phantoms: trials.reduce((sum, { phantoms }) => sum + phantoms, 0)
  }
}

/** What is checked of one client, beside what its witness saw by itself. */
class Trial {
  readonly faults: string[] = []
  phantoms = 0
  repeated = 0
  readonly #witness: Witness
  readonly #journal: Journal
  /** Which message each offset belongs to, for all clients. */
  readonly #order: Map<Offset, number>

  constructor (witness: Witness, journal: Journal, order: Map<Offset, number>) {
    this.#witness = witness
    this.#journal = journal
    this.#order = order
  }

  run (): void {
    const everything = new Set<number>()
    for (const stretch of this.#witness.stretches) {
      const { seen, last } = this.#sequence(stretch)
      this.#completeness(stretch, seen, stretch.isOver ? last : Infinity)
      for (const n of seen) {
        if (everything.has(n)) this.repeated++
        everything.add(n)
      }
    }
    this.#inbox(everything)
  }

  /** Every message once, in the order of the offsets. Answers which messages there are, and the last offset. */
  #sequence ({ got, after }: Stretch): { seen: Set<number>, last: Offset } {
    const seen = new Set<number>()
    let last = after
    for (const one of got) {
      const offset = this.#offsetOf(one)
      if (offset !== null && offset <= last) this.#blame(`got ${one.n} at ${offset} after ${last}`)
      if (seen.has(one.n)) this.#again(one)
      last = Math.max(last, offset ?? 0)
      seen.add(one.n)
    }
    return { seen, last }
  }

  /** Where a message is in the log: what the protocol says, or else the receipt. Null when that cannot be told. */
  #offsetOf ({ n, offset }: Got): Offset | null {
    const said = this.#journal.find(n)
    if (offset === null) return said?.wasCut === false ? said.acknowledged?.offset ?? null : null
    const known = this.#order.get(offset)
    if (known !== undefined && known !== n) this.#blame(`got ${n} at ${offset}, where others got ${known}`)
    this.#order.set(offset, n)
    if (said !== undefined && !said.wasCut && said.acknowledged !== null && said.acknowledged.offset !== offset) {
      this.#blame(`got ${n} at ${offset}, but the receipt says ${said.acknowledged.offset}`)
    }
    return offset
  }

  /**
   * A message came twice. That may only be one that was said twice, because the hub was killed at the first time; and the
   * log has it once.
   */
  #again ({ n, offset }: Got): void {
    const said = this.#journal.find(n)
    const isPhantom = offset !== null && said?.wasCut === true && (said.acknowledged === null || said.acknowledged.offset === offset)
    if (isPhantom && !this.#witness.readsLog) this.phantoms++
    else this.#blame(`got ${n} twice`)
  }

  /** Nothing is missing that was acknowledged, up to a limit. */
  #completeness ({ spans, isOver }: Stretch, seen: ReadonlySet<number>, limit: Offset): void {
    for (const said of this.#journal.all()) {
      if (said.acknowledged === null || said.acknowledged.offset > limit || seen.has(said.n) || !spans.some((span) => covers(span, said))) continue
      this.#blame(`misses ${said.n} to ${said.address} at ${said.acknowledged.offset}, ${isOver ? 'before it lost its place' : 'up to the end'}`)
    }
  }

  /** What was said to the user has come at least once, whichever connections there were. */
  #inbox (seen: ReadonlySet<number>): void {
    const { addresses, firstSeen } = this.#witness
    for (const { n, address, acknowledged, startedAt } of this.#journal.all()) {
      if (!address.startsWith('user:') || !addresses.has(address) || startedAt < firstSeen) continue
      if (acknowledged !== null && !seen.has(n)) this.#blame(`never got ${n} of its inbox, at ${acknowledged.offset}`)
    }
  }

  #blame (what: string): void {
    // The first ones tell.
    if (this.faults.length < 5) this.faults.push(`${this.#witness.name} ${what}`)
  }
}

function covers ({ address, from, until, upTo }: Span, { address: to, startedAt, acknowledged }: Said): boolean {
  return address === to && startedAt > from && acknowledged !== null && acknowledged.at < until && acknowledged.offset <= upTo
}
