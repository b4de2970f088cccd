import type { AddressKey, Offset } from '../../model/message.ts'
import { Evictions, type Evicted } from '../local/evictions.ts'
import type { Batch } from './batch.ts'
import { encodeText } from './layout.ts'

/** Addresses of one kind whose losses are told apart, while they cannot be written down. */
const MAX_ADDRESSES = 10_000

/** Messages that were handed out and could not be stored. They count as evicted; the store is told when it can be written again. */
export class Lost {
  #noted = new Evictions(MAX_ADDRESSES)
  /** What a transaction is writing down. */
  #owed = new Evictions(MAX_ADDRESSES)

  add (key: AddressKey, offset: Offset): void {
    this.#noted.add(key, offset)
  }

  of (key: AddressKey): Evicted {
    const [noted, owed] = [this.#noted.of(key), this.#owed.of(key)]
    return { count: noted.count + owed.count, upTo: Math.max(noted.upTo, owed.upTo) }
  }

  /** Has a transaction write down what has not been written yet. */
  writeTo (batch: Batch): void {
    this.#owed.addAll(this.#noted)
    this.#noted = new Evictions(MAX_ADDRESSES)
    const { entries, dropped } = this.#owed.entries()
    for (const [key, evicted] of entries) batch.lose(encodeText(key), evicted)
    for (const [kind, upTo] of dropped) batch.doubt(kind, upTo)
  }

  /** It is on the disk. */
  settle (): void {
    this.#owed = new Evictions(MAX_ADDRESSES)
  }
}
