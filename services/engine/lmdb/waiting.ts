import type { AddressKey, Message, Offset } from '../../model/message.ts'
import { Fifo } from '../local/collections/fifo.ts'
import type { Entry } from './entry.ts'

const NONE = new Fifo<Entry>()

/** Messages in flight: delivered, but not yet confirmed on the disk. They are the newest messages of each address. */
export class Waiting {
  readonly #lines = new Map<AddressKey, Fifo<Entry>>()
  readonly #byOffset = new Map<Offset, Entry>()

  add (entry: Entry): void {
    const line = this.#lines.get(entry.key) ?? new Fifo<Entry>()
    this.#lines.set(entry.key, line)
    line.push(entry)
    this.#byOffset.set(entry.message.offset, entry)
  }

  /** Removes an entry. The entry must be the oldest entry in flight of its address. */
  settle ({ key, message: { offset } }: Entry): void {
    const line = this.#lines.get(key)
    line?.shift()
    if (line?.length === 0) this.#lines.delete(key)
    this.#byOffset.delete(offset)
  }

  /** Returns the entries in flight of an address, in the order of their offsets. */
  at (key: AddressKey): Fifo<Entry> {
    return this.#lines.get(key) ?? NONE
  }

  find (offset: Offset): Entry | undefined {
    return this.#byOffset.get(offset)
  }
}

/** Yields the unexpired messages in flight above an offset. */
export function * waitingAfter (line: Fifo<Entry>, after: Offset, now: number): Generator<Message, void> {
  let at = line.search(({ message }) => message.offset > after)
  for (let entry = line.at(at); entry !== undefined; entry = line.at(++at)) {
    if (entry.until > now) yield entry.message
  }
}
