import type { AddressKey, Offset } from '../../services/model/message.ts'

/** A moment of the run: later moments are greater. All clients read the same clock, so "before" needs no tolerance. */
export type Moment = number

/** A message of a publisher, and the outcome as far as the publisher knows. */
export interface PublishedMessage {
  readonly n: number
  readonly address: AddressKey
  readonly bytes: number
  /** The moment before the first attempt. */
  readonly startedAt: Moment
  /** Moment and offset of the acknowledgement; null before the acknowledgement. */
  acknowledged: { readonly at: Moment, readonly offset: Offset } | null
  /** Number of attempts with an unknown outcome. */
  unknown: number
  /**
   * Whether the hub was killed during or after such an attempt: the message may be delivered without being stored.
   */
  wasInterrupted: boolean
}

/** All published messages of a round: the received messages are checked against this list. */
export class Journal {
  /** Number of the first message of this round; lower numbers belong to earlier rounds. */
  first = 1
  #round: PublishedMessage[] = []
  #moments = 0
  #numbers = 0

  now (): Moment {
    return ++this.#moments
  }

  begin (address: AddressKey, bytes: number): PublishedMessage {
    const published: PublishedMessage = {
      n: ++this.#numbers,
      address,
      bytes,
      startedAt: this.now(),
      acknowledged: null,
      unknown: 0,
      wasInterrupted: false
    }
    this.#round.push(published)
    return published
  }

  acknowledge (published: PublishedMessage, offset: Offset): void {
    published.acknowledged = { at: this.now(), offset }
  }

  find (n: number): PublishedMessage | undefined {
    return this.#round[n - this.first]
  }

  /** The messages of this round. */
  all (): readonly PublishedMessage[] {
    return this.#round
  }

  /** Starts the next round, after all messages of this round have been checked. */
  nextRound (): void {
    this.#round = []
    this.first = this.#numbers + 1
  }
}

/** Text of a message: the same for every attempt. */
export function textOf ({ n, address, bytes }: PublishedMessage): string {
  return `${n} ${address} `.padEnd(bytes, 'x')
}

/** Message number in a text. */
export function numberIn (text: string): number {
  return Number(/^(\d+) /.exec(text)?.[1])
}
