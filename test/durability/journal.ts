import type { AddressKey, Offset } from '../../services/model/message.ts'

/** A moment of the run: later ones are greater. Everybody reads the same clock, so "before" has a meaning without a tolerance. */
export type Moment = number

/** Something that was to be published, and what its publisher knows of it. */
export interface PublishedMessage {
  readonly n: number
  readonly address: AddressKey
  readonly bytes: number
  /** Before the first attempt. */
  readonly startedAt: Moment
  /** When and where the hub said that it is stored; null as long as it has not. */
  acknowledged: { readonly at: Moment, readonly offset: Offset } | null
  /** Attempts of which the publisher does not know what became of them. */
  unknown: number
  /** The hub was killed during one of these, or after it: it may have handed the message out and forgotten it. */
  wasInterrupted: boolean
}

/** Everything that was said in a round: what the clients have to have in the end is checked against it. */
export class Journal {
  /** Messages with lower numbers belong to earlier rounds. */
  first = 1
  #round: PublishedMessage[] = []
  #moments = 0
  #numbers = 0

  now (): Moment {
    return ++this.#moments
  }

  begin (address: AddressKey, bytes: number): PublishedMessage {
    const published: PublishedMessage = { n: ++this.#numbers, address, bytes, startedAt: this.now(), acknowledged: null, unknown: 0, wasInterrupted: false }
    this.#round.push(published)
    return published
  }

  acknowledge (published: PublishedMessage, offset: Offset): void {
    published.acknowledged = { at: this.now(), offset }
  }

  find (n: number): PublishedMessage | undefined {
    return this.#round[n - this.first]
  }

  /** What was said in this round. */
  all (): readonly PublishedMessage[] {
    return this.#round
  }

  /** The round is over and everything in it has been checked. */
  nextRound (): void {
    this.#round = []
    this.first = this.#numbers + 1
  }
}

/** The text of a message: the same for every attempt. */
export function textOf ({ n, address, bytes }: PublishedMessage): string {
  return `${n} ${address} `.padEnd(bytes, 'x')
}

/** The number in a text. */
export function numberIn (text: string): number {
  return Number(/^(\d+) /.exec(text)?.[1])
}
