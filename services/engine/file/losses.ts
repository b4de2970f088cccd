import type { AddressKey, Offset } from '../../model/message.ts'
import { Evictions } from '../local/evictions.ts'
import { encodeDoubt, encodeLoss } from './codec.ts'
import type { Journal } from './journal/journal.ts'
import type { Segment } from './journal/segment.ts'

/** Addresses of one kind with losses that are not on the disk, at most. */
const MAX_ADDRESSES = 10_000

/** Losses of an address whose record is in a segment. */
interface WrittenLoss {
  readonly name: AddressKey
  readonly count: number
  /** The id of the segment. */
  readonly id: number
}

/**
 * The losses of a log: messages that never reached the disk. Their number is written as soon as the disk can be
 * written, so that their readers receive a gap after a restart, too.
 */
export class Losses {
  readonly #journal: Journal
  /** Losses that the journal has not taken. */
  #owed = new Evictions(MAX_ADDRESSES)
  #isOwing = false
  /** Losses whose records are not on the disk, by address. */
  readonly #unwritten = new Map<AddressKey, number>()
  /** Losses whose records may be behind the next checkpoint. */
  #written: WrittenLoss[] = []

  constructor (journal: Journal) {
    this.#journal = journal
  }

  /** Counts a lost message. */
  add (name: AddressKey, offset: Offset): void {
    this.#noteUnwritten(name, 1)
    this.#owe(name, offset, 1)
  }

  /** Notes a hole: a gap up to an offset for every address. */
  addHole (upTo: Offset): void {
    this.#owed.noteHole(upTo)
    this.#isOwing = true
  }

  /** Losses by address whose records are in a segment or later, or not on the disk. Segments rise from call to call. */
  from (id: number): Map<AddressKey, number> {
    this.#written = this.#written.filter((one) => one.id >= id)
    const losses = new Map(this.#unwritten)
    for (const { name, count } of this.#written) losses.set(name, (losses.get(name) ?? 0) + count)
    return losses
  }

  /** Writes the number of losses, unless the disk cannot be written. */
  write (): void {
    if (!this.#isOwing || this.#journal.problem !== null) return
    const owed = this.#owed
    this.#owed = new Evictions(MAX_ADDRESSES)
    this.#isOwing = false
    const { entries, dropped } = owed.entries()
    for (const [name, { count, upTo }] of entries) {
      const onWritten = ({ id }: Segment): void => {
        this.#noteUnwritten(name, -count)
        this.#written.push({ name, count, id })
      }
      this.#push(encodeLoss(name, upTo, count), () => this.#owe(name, upTo, count), onWritten)
    }
    // For addresses that are too many to be counted, a gap for every address. Their number is in the next checkpoint.
    if (dropped.length > 0) {
      const written = new Set(entries.map(([name]) => name))
      for (const name of this.#unwritten.keys()) if (!written.has(name)) this.#unwritten.delete(name)
    }
    const doubtUpTo = Math.max(owed.holeUpTo, ...dropped.map(([, upTo]) => upTo))
    if (doubtUpTo > 0) this.#push(encodeDoubt(doubtUpTo), () => this.addHole(doubtUpTo))
  }

  /** Hands the journal a record without an offset of its own. */
  #push (bytes: Buffer, onFailed: () => void, onWritten: (segment: Segment) => void = () => {}): void {
    const group = this.#journal.push({ bytes, offset: 0, written: onWritten })
    if (group === null) return onFailed()
    void group.written.then((isWritten) => { if (!isWritten) onFailed() })
  }

  #owe (name: AddressKey, upTo: Offset, count: number): void {
    this.#owed.add(name, upTo, count)
    this.#isOwing = true
  }

  #noteUnwritten (name: AddressKey, count: number): void {
    const total = (this.#unwritten.get(name) ?? 0) + count
    if (total > 0) this.#unwritten.set(name, total)
    else this.#unwritten.delete(name)
  }
}
