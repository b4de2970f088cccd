import type { Message, Offset } from '../../model/message.ts'
import { Fifo } from '../local/collections/fifo.ts'
import { decodeMessage } from './codec.ts'
import { recordLength, recordOffset } from './journal/format.ts'

/** Approximate bytes of a message in memory beside its payload. */
const MESSAGE_BYTES = 200

interface Entry {
  /** Undefined until the first read of a restored message. */
  message: Message | undefined
  /** The buffer with the encoded form of a restored message until the first read; otherwise null. */
  encoded: Buffer | null
  /** Index of the encoded form in the buffer. */
  readonly at: number
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
    this.#add(message.offset, { message, encoded: null, at: 0, bytes: size + MESSAGE_BYTES })
  }

  /**
   * Adds a message that an earlier process wrote: the encoded message at an index of a buffer. The buffer must not
   * change any more. Decodes the message at its first read: a start does not pay for messages that no client reads.
   */
  restore (buffer: Buffer, at: number): void {
    const offset = recordOffset(buffer, at)
    this.#add(offset, { message: undefined, encoded: buffer, at, bytes: recordLength(buffer, at) + MESSAGE_BYTES })
    this.noteWritten(offset)
  }

  get (offset: Offset): Message | undefined {
    const entry = this.#entries.get(offset)
    if (entry === undefined) return undefined
    if (entry.encoded !== null) {
      entry.message = decodeMessage(entry.encoded, entry.at)
      entry.encoded = null
    }
    return entry.message
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

  #add (offset: Offset, entry: Entry): void {
    this.#entries.set(offset, entry)
    this.#order.push(offset)
    this.#bytes += entry.bytes
    this.#trim()
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
