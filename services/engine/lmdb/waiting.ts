import type { AddressKey, Message, Offset } from '../../model/message.ts'
import { Fifo } from '../local/fifo.ts'
import type { Entry } from './entry.ts'

const NONE = new Fifo<Entry>()

/** Messages that have been handed out and are not known to be on the disk yet; at each address they are the newest. */
export class Waiting {
  readonly #lines = new Map<AddressKey, Fifo<Entry>>()
  readonly #byOffset = new Map<Offset, Entry>()

  add (entry: Entry): void {
    const line = this.#lines.get(entry.key) ?? new Fifo<Entry>()
    this.#lines.set(entry.key, line)
    line.push(entry)
    this.#byOffset.set(entry.message.offset, entry)
  }

  /** The oldest of its address waits no longer. */
  settle ({ key, message: { offset } }: Entry): void {
    const line = this.#lines.get(key)
    line?.shift()
    if (line?.length === 0) this.#lines.delete(key)
    this.#byOffset.delete(offset)
  }

  /** Those of an address, in the order of their offsets. */
  at (key: AddressKey): Fifo<Entry> {
    return this.#lines.get(key) ?? NONE
  }

  find (offset: Offset): Entry | undefined {
    return this.#byOffset.get(offset)
  }
}

/** Those above an offset that may still be handed out. */
export function * waitingAfter (line: Fifo<Entry>, after: Offset, now: number): Generator<Message, void> {
  let at = line.search(({ message }) => message.offset > after)
  for (let entry = line.at(at); entry !== undefined; entry = line.at(++at)) {
    if (entry.until > now) yield entry.message
  }
}
