import type { AddressKey, Offset } from '../../model/message.ts'
import { Evictions, type Evicted } from '../local/evictions.ts'
import type { Batch } from './batch.ts'
import { encodeText } from '../local/text.ts'

/** The most addresses of one kind with separate counts of unpersisted messages. */
const MAX_ADDRESSES = 10_000

/** The first byte of an address of each kind. */
const ADDRESS_KINDS = [...'augc'].map((letter) => letter.charCodeAt(0))

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

  /** Notes a hole: a gap up to an offset for every address. */
  noteHole (upTo: Offset): void {
    this.#noted.noteHole(upTo)
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
    if (this.#owed.holeUpTo > 0) for (const kind of ADDRESS_KINDS) batch.doubt(kind, this.#owed.holeUpTo)
    for (const [key, evicted] of entries) batch.lose(encodeText(key), evicted)
    for (const [kind, upTo] of dropped) batch.doubt(kind, upTo)
  }

  /** Drops the counts of the last transaction, which is on the disk now. */
  settle (): void {
    this.#owed = new Evictions(MAX_ADDRESSES)
  }
}
