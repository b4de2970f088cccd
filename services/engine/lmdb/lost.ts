import type { AddressKey, Offset } from '../../model/message.ts'
import { Evictions, type Evicted } from '../local/evictions.ts'
import type { Batch } from './batch.ts'
import { encodeText } from './layout.ts'

/** The most addresses of one kind with separate counts of unpersisted messages. */
const MAX_ADDRESSES = 10_000

/**
 * Unpersisted messages: delivered, but not stored. They count as evicted; the next successful transaction writes their
 * counts to the store.
 */
export class Lost {
  #noted = new Evictions(MAX_ADDRESSES)
  /** The counts that the current transaction writes. */
  #owed = new Evictions(MAX_ADDRESSES)

  add (key: AddressKey, offset: Offset): void {
    this.#noted.add(key, offset)
  }

  of (key: AddressKey): Evicted {
    const [noted, owed] = [this.#noted.of(key), this.#owed.of(key)]
    return { count: noted.count + owed.count, upTo: Math.max(noted.upTo, owed.upTo) }
  }

  /** Adds all unwritten counts to a transaction. */
  writeTo (batch: Batch): void {
    this.#owed.addAll(this.#noted)
    this.#noted = new Evictions(MAX_ADDRESSES)
    const { entries, dropped } = this.#owed.entries()
    for (const [key, evicted] of entries) batch.lose(encodeText(key), evicted)
    for (const [kind, upTo] of dropped) batch.doubt(kind, upTo)
  }

  /** Drops the counts of the last transaction, which is on the disk now. */
  settle (): void {
    this.#owed = new Evictions(MAX_ADDRESSES)
  }
}
