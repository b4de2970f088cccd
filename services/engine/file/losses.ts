import type { AddressKey, Offset } from '../../model/message.ts'
import { encodeDoubt, encodeLoss } from './codec.ts'
import type { Journal } from './journal/journal.ts'
import type { Segment } from './journal/segment.ts'
import { OwedLosses } from './owed-losses.ts'

/** The losses of an address in one record, which may not be written yet. */
interface Loss {
  count: number
  /** The id of the segment with the record; null until the record is on the disk. */
  id: number | null
}

/**
 * The losses of a log: messages that never reached the disk. Their number is written as soon as the disk can be
 * written, so that their readers receive a gap after a restart, too.
 */
export class Losses {
  readonly #journal: Journal
  /** Losses that the journal has not taken. */
  #owed = this.#newOwed()
  #isOwing = false
  /** The losses since the last purge of each address, as far as their records may be behind the next checkpoint. */
  readonly #recent = new Map<AddressKey, Loss[]>()
  /** The recent losses that the journal has not taken. */
  readonly #owedByAddress = new Map<AddressKey, Loss>()

  constructor (journal: Journal) {
    this.#journal = journal
  }

  /** Counts a lost message. */
  add (name: AddressKey, offset: Offset): void {
    this.#owed.add(name, offset, 1)
    this.#isOwing = true
    this.#noteOwed(name, 1)
  }

  /** Notes a purge of an address. The record of the purge must follow those of the losses so far; see `write`. */
  forget (name: AddressKey): void {
    this.#recent.delete(name)
    this.#owedByAddress.delete(name)
  }

  /** Notes a hole: a gap up to an offset for every address. */
  addHole (upTo: Offset): void {
    this.#owed.doubt(upTo)
    this.#isOwing = true
  }

  /**
   * Losses by address, since the last purge, whose records are in a segment or later, or not on the disk. Segments rise
   * from call to call.
   */
  from (id: number): Map<AddressKey, number> {
    const counts = new Map<AddressKey, number>()
    for (const [name, losses] of this.#recent) {
      const recent = losses.filter((one) => one.id === null || one.id >= id)
      if (recent.length === 0) this.#recent.delete(name)
      else {
        this.#recent.set(name, recent)
        counts.set(name, recent.reduce((sum, { count }) => sum + count, 0))
      }
    }
    return counts
  }

  /** Writes the number of losses, unless the disk cannot be written. */
  write (): void {
    if (!this.#isOwing || this.#journal.problem !== null) return
    const owed = this.#owed
    const owedByAddress = new Map(this.#owedByAddress)
    this.#owed = this.#newOwed()
    this.#owedByAddress.clear()
    this.#isOwing = false
    for (const [name, { count, upTo }] of owed.entries()) {
      const loss = owedByAddress.get(name)
      const onWritten = ({ id }: Segment): void => {
        if (loss !== undefined) loss.id = id
      }
      this.#push(encodeLoss(name, upTo, count), upTo, () => this.#oweAgain(name, upTo, count, loss), onWritten)
    }
    const { doubtUpTo } = owed
    if (doubtUpTo > 0) this.#push(encodeDoubt(doubtUpTo), doubtUpTo, () => this.addHole(doubtUpTo))
  }

  /** Creates an empty count. No record will have the losses of a dropped address: the next checkpoint counts them. */
  #newOwed (): OwedLosses {
    return new OwedLosses((name) => {
      const loss = this.#owedByAddress.get(name)
      this.#owedByAddress.delete(name)
      if (loss !== undefined) this.#drop(name, loss)
    })
  }

  /** Hands the journal a record. `upTo`: its greatest lost offset, which the header of the group names as well. */
  #push (bytes: Buffer, upTo: Offset, onFailed: () => void, onWritten: (segment: Segment) => void = () => {}): void {
    const group = this.#journal.push({ bytes, offset: upTo, written: onWritten })
    if (group === null) return onFailed()
    void group.written.then((isWritten) => { if (!isWritten) onFailed() })
  }

  /** Counts losses again whose record has failed. `loss`: undefined when the losses were not counted. */
  #oweAgain (name: AddressKey, upTo: Offset, count: number, loss: Loss | undefined): void {
    this.#owed.add(name, upTo, count)
    this.#isOwing = true
    // After a purge of the address, a checkpoint no longer counts its earlier losses.
    if (loss === undefined || this.#recent.get(name)?.includes(loss) !== true) return
    this.#drop(name, loss)
    this.#noteOwed(name, loss.count)
  }

  #noteOwed (name: AddressKey, count: number): void {
    const owed = this.#owedByAddress.get(name)
    if (owed !== undefined) {
      owed.count += count
      return
    }
    const loss: Loss = { count, id: null }
    this.#owedByAddress.set(name, loss)
    const losses = this.#recent.get(name)
    if (losses === undefined) this.#recent.set(name, [loss])
    else losses.push(loss)
  }

  #drop (name: AddressKey, loss: Loss): void {
    const left = this.#recent.get(name)?.filter((one) => one !== loss) ?? []
    if (left.length === 0) this.#recent.delete(name)
    else this.#recent.set(name, left)
  }
}
