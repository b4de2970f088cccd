import { HubError } from '../../model/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { AddressKey, Message, Offset } from '../../model/message.ts'
import { Evictions } from '../local/evictions.ts'
import { NO_ORDINAL, type IndexRecord } from '../local/index-record.ts'
import type { LogIndex } from '../local/log-index.ts'
import type { MessageForm, Payloads } from '../local/payloads.ts'
import { encodeDoubt, encodeKeyUse, encodeLoss, encodeMessage, encodePurge } from './codec.ts'
import { HotWindow } from './hot-window.ts'
import type { Group, JournalRecord } from './journal/group.ts'
import type { Journal } from './journal/journal.ts'
import type { Segment } from './journal/segment.ts'
import { SegmentReader } from './reader.ts'
import type { Segments } from './segments.ts'

/** Addresses of one kind with losses that are not on the disk, at most. */
const MAX_OWED = 10_000

/** Collaborators and settings of the payloads in files. */
export interface FilePayloadsOptions {
  readonly journal: Journal
  readonly segments: Segments
  readonly index: LogIndex
  readonly log: Log
  /** Bytes of recent messages in memory at most. */
  readonly hotBytes: number
  /** Time in ms for which an idempotency key is known. */
  readonly windowMs: number
  /** Closes the journal and the files. */
  readonly close: () => Promise<void>
}

/** The write of a message, which tells the index the place. */
class MessageWrite implements JournalRecord {
  readonly bytes: Buffer
  readonly offset: Offset
  readonly name: AddressKey
  readonly #index: LogIndex

  constructor (bytes: Buffer, offset: Offset, name: AddressKey, index: LogIndex) {
    this.bytes = bytes
    this.offset = offset
    this.name = name
    this.#index = index
  }

  written (_segment: Segment, position: number): void {
    this.#index.setPosition(this.offset, position)
  }
}

/** The messages in segment files, written by a journal, and the recent ones in memory as well. */
export class FilePayloads implements Payloads {
  readonly #options: FilePayloadsOptions
  readonly #hot: HotWindow
  readonly #reader: SegmentReader
  /** The messages of each group whose result is not known. */
  readonly #inFlight = new Map<Group, MessageWrite[]>()
  /** Messages that never reached the disk, counted until the disk has their number. */
  #owed = new Evictions(MAX_OWED)
  #isOwing = false
  /** Losses whose records are not on the disk, by address. */
  readonly #unwritten = new Map<AddressKey, number>()
  /** Losses whose records may be behind the next checkpoint, each with the id of its segment. */
  #written: Array<{ readonly name: AddressKey, readonly count: number, readonly id: number }> = []

  constructor (options: FilePayloadsOptions) {
    this.#options = options
    this.#hot = new HotWindow(options.hotBytes)
    this.#reader = new SegmentReader(options.segments)
  }

  get problem (): string | null {
    return this.#options.journal.problem
  }

  /** Losses by address whose records are in a segment or later, or not on the disk. Segments rise from call to call. */
  lossesFrom (id: number): Map<AddressKey, number> {
    this.#written = this.#written.filter((one) => one.id >= id)
    const losses = new Map(this.#unwritten)
    for (const { name, count } of this.#written) losses.set(name, (losses.get(name) ?? 0) + count)
    return losses
  }

  add (message: Message, form: MessageForm): boolean | Promise<boolean> {
    const { index, journal } = this.#options
    const { offset } = message
    const bytes = encodeMessage(message, form)
    const write = new MessageWrite(bytes, offset, form.name, index)
    const group = journal.push(write)
    if (group === null) {
      this.#lose(form.name, offset)
      return false
    }
    this.#hot.add(message, bytes.length)
    this.#track(group).push(write)
    if (this.#isOwing) this.writeOwed()
    return group.written
  }

  addKeyUse (key: string, offset: Offset, at: number, digest: Buffer): void {
    const until = at + this.#options.windowMs
    this.#options.journal.push({ bytes: encodeKeyUse(key, { offset, until, digest }, false), offset })
  }

  addLoss (name: AddressKey, offset: Offset): void {
    this.#noteUnwritten(name, 1)
    this.#owe(name, offset)
    this.writeOwed()
  }

  addHole (upTo: Offset): void {
    this.#owed.noteHole(upTo)
    this.#isOwing = true
    this.writeOwed()
  }

  async addPurge (name: AddressKey, offset: Offset, at: number): Promise<void> {
    const { journal } = this.#options
    const group = journal.push({ bytes: encodePurge(name, offset, at), offset })
    if (group !== null && await group.written) return
    throw new HubError('HUB_STORE_FAILED', journal.problem ?? 'The hub was closed before this was stored.', { retryAfter: 1 })
  }

  remove (offset: Offset, ordinal: number): void {
    this.#hot.remove(offset)
    if (ordinal !== NO_ORDINAL) this.#options.segments.remove(offset, ordinal)
  }

  load (records: readonly IndexRecord[]): Message[] | Promise<Message[] | null> {
    const messages: Message[] = []
    for (const { offset } of records) {
      const message = this.#hot.get(offset)
      if (message === undefined) return this.#loadFromFiles(records)
      messages.push(message)
    }
    return messages
  }

  async close (): Promise<void> {
    await this.#options.close()
    this.#hot.clear()
  }

  /** Keeps a recent message in memory that an earlier process wrote. Offsets must rise. */
  restore (message: Message, size: number): void {
    this.#hot.add(message, size)
    this.#hot.noteWritten(message.offset)
  }

  /** Writes the number of lost messages, as soon as the disk can be written again. */
  writeOwed (): void {
    if (this.problem !== null) return
    const owed = this.#owed
    this.#owed = new Evictions(MAX_OWED)
    this.#isOwing = false
    const { entries, dropped } = owed.entries()
    for (const [name, { count, upTo }] of entries) {
      const onWritten = ({ id }: Segment): void => {
        this.#noteUnwritten(name, -count)
        this.#written.push({ name, count, id })
      }
      this.#write(encodeLoss(name, upTo, count), () => this.#owe(name, upTo, count), onWritten)
    }
    // For addresses that are too many to be counted, a gap for every address. Their number is in the next checkpoint.
    if (dropped.length > 0) {
      const written = new Set(entries.map(([name]) => name))
      for (const name of this.#unwritten.keys()) if (!written.has(name)) this.#unwritten.delete(name)
    }
    const doubtUpTo = Math.max(owed.holeUpTo, ...dropped.map(([, upTo]) => upTo))
    if (doubtUpTo > 0) this.#write(encodeDoubt(doubtUpTo), () => this.#oweHole(doubtUpTo))
  }

  /** Writes a record without an offset of its own. */
  #write (bytes: Buffer, onFailed: () => void, onWritten: (segment: Segment) => void = () => {}): void {
    const group = this.#options.journal.push({ bytes, offset: 0, written: onWritten })
    if (group === null) return onFailed()
    void group.written.then((isWritten) => { if (!isWritten) onFailed() })
  }

  #owe (name: AddressKey, upTo: Offset, count = 1): void {
    this.#owed.add(name, upTo, count)
    this.#isOwing = true
  }

  #noteUnwritten (name: AddressKey, count: number): void {
    const total = (this.#unwritten.get(name) ?? 0) + count
    if (total > 0) this.#unwritten.set(name, total)
    else this.#unwritten.delete(name)
  }

  #oweHole (upTo: Offset): void {
    this.#owed.noteHole(upTo)
    this.#isOwing = true
  }

  /** The messages of a group, whose result decides whether they are lost. */
  #track (group: Group): MessageWrite[] {
    const known = this.#inFlight.get(group)
    if (known !== undefined) return known
    const writes: MessageWrite[] = []
    this.#inFlight.set(group, writes)
    void group.written.then((isWritten) => this.#settle(group, writes, isWritten))
    return writes
  }

  #settle (group: Group, writes: readonly MessageWrite[], isWritten: boolean): void {
    this.#inFlight.delete(group)
    if (!isWritten) for (const { name, offset } of writes) this.#lose(name, offset)
    this.#hot.noteWritten(writes.at(-1)?.offset ?? 0)
  }

  /** Takes a message out that did not reach the disk. An evicted one is lost as well: the disk does not know of it. */
  #lose (name: AddressKey, offset: Offset): void {
    this.#options.index.lose(offset)
    this.#noteUnwritten(name, 1)
    this.#owe(name, offset)
  }

  async #loadFromFiles (records: readonly IndexRecord[]): Promise<Message[] | null> {
    // Taken now: the window may drop a message while others are read.
    const hot = records.map(({ offset }) => this.#hot.get(offset))
    const read = await this.#reader.read(records.filter((_, n) => hot[n] === undefined))
    const messages: Message[] = []
    const damaged: Offset[] = []
    for (const [n, { offset }] of records.entries()) {
      const message = hot[n] ?? read.get(offset)
      if (message === undefined) damaged.push(offset)
      else messages.push(message)
    }
    if (damaged.length === 0) return messages
    this.#options.log.error({ offsets: damaged }, 'messages in the log are damaged; their readers receive a gap')
    for (const offset of damaged) this.#options.index.lose(offset)
    return null
  }
}
