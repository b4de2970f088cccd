import type { Message, Offset } from '../../model/message.ts'
import { Fifo } from '../local/collections/fifo.ts'

/** Approximate bytes of a message in memory beside its payload. */
const MESSAGE_BYTES = 200

interface Entry {
  readonly message: Message
  readonly bytes: number
}

/**
 * The most recent messages, in memory: clients near the head of the log are served from here. A message that is not on
 * the disk yet is always here.
 */
export class HotWindow {
  readonly #maxBytes: number
  readonly #entries = new Map<Offset, Entry>()
  /** The offsets in rising order, those of removed messages included: a Map used as a queue becomes slow. */
  readonly #order = new Fifo<Offset>()
  #bytes = 0
  #writtenUpTo: Offset = 0

  /** @param maxBytes Bytes of all messages at most, as soon as they are on the disk. */
  constructor (maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Adds a message. Offsets must rise. `size`: bytes of the encoded message. */
  add (message: Message, size: number): void {
    const bytes = size + MESSAGE_BYTES
    this.#entries.set(message.offset, { message, bytes })
    this.#order.push(message.offset)
    this.#bytes += bytes
    this.#trim()
  }

  /** Adds a message that an earlier process wrote. */
  restore (message: Message, size: number): void {
    this.add(message, size)
    this.noteWritten(message.offset)
  }

  get (offset: Offset): Message | undefined {
    return this.#entries.get(offset)?.message
  }

  remove (offset: Offset): void {
    const entry = this.#entries.get(offset)
    if (entry === undefined) return
    this.#entries.delete(offset)
    this.#bytes -= entry.bytes
  }

  /** Notes that all messages up to an offset are on the disk, or are lost. */
  noteWritten (upTo: Offset): void {
    this.#writtenUpTo = Math.max(this.#writtenUpTo, upTo)
    this.#trim()
  }

  clear (): void {
    this.#entries.clear()
    this.#order.clear()
    this.#bytes = 0
  }

  #trim (): void {
    for (let first = this.#order.first; first !== undefined; first = this.#order.first) {
      const isGone = !this.#entries.has(first)
      if (!isGone && (this.#bytes <= this.#maxBytes || first > this.#writtenUpTo)) return
      this.#order.shift()
      this.remove(first)
    }
  }
}
