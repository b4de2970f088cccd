import { HubError } from '../../model/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { AddressKey, Message, Offset } from '../../model/message.ts'
import type { IndexRecord } from '../local/index/index-record.ts'
import type { LogIndex } from '../local/index/log-index.ts'
import type { MessageForm, Payloads } from '../local/payloads.ts'
import { encodeKeyUse, encodeMessage, encodePurge } from './codec.ts'
import type { HotWindow } from './hot-window.ts'
import type { Group, JournalRecord } from './journal/group.ts'
import type { Journal } from './journal/journal.ts'
import type { Segment } from './journal/segment.ts'
import type { Losses } from './losses.ts'
import { SegmentReader } from './reader.ts'
import type { Segments } from './segments.ts'

/** Collaborators and settings of the payloads in files. */
export interface FilePayloadsOptions {
  readonly journal: Journal
  readonly segments: Segments
  readonly index: LogIndex
  readonly log: Log
  readonly hot: HotWindow
  readonly losses: Losses
  /** Time in ms for which an idempotency key is known. */
  readonly windowMs: number
  /** Closes the journal and the files. */
  readonly close: () => Promise<void>
}

/** The write of a message. Sets the position of the message in the index. */
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
  readonly #reader: SegmentReader
  /** The messages of each group whose result is not known. */
  readonly #inFlight = new Map<Group, MessageWrite[]>()
  constructor (options: FilePayloadsOptions) {
    this.#options = options
    this.#reader = new SegmentReader(options.segments)
  }

  get problem (): string | null {
    return this.#options.journal.problem
  }

  add (message: Message, form: MessageForm): boolean | Promise<boolean> {
    const { index, journal, hot, losses } = this.#options
    const { offset } = message
    const bytes = encodeMessage(message, form)
    const write = new MessageWrite(bytes, offset, form.name, index)
    const group = journal.push(write)
    if (group === null) {
      this.#lose(form.name, offset)
      return false
    }
    hot.add(message, bytes.length)
    this.#track(group).push(write)
    losses.write()
    return group.written
  }

  addKeyUse (key: string, offset: Offset, at: number, digest: Buffer): void {
    const until = at + this.#options.windowMs
    this.#options.journal.push({ bytes: encodeKeyUse(key, { offset, until, digest }, false), offset })
  }

  addLoss (name: AddressKey, offset: Offset): void {
    this.#options.losses.add(name, offset)
    this.#options.losses.write()
  }

  addHole (upTo: Offset): void {
    this.#options.losses.addHole(upTo)
    this.#options.losses.write()
  }

  async addPurge (name: AddressKey, offset: Offset, at: number): Promise<void> {
    const { journal, losses } = this.#options
    // The purge covers the losses so far: their records stand before it.
    losses.write()
    losses.forget(name)
    const group = journal.push({ bytes: encodePurge(name, offset, at), offset })
    if (group !== null && await group.written) return
    throw new HubError('HUB_STORE_FAILED', journal.problem ?? 'The hub was closed before this was stored.', { retryAfter: 1 })
  }

  load (records: readonly IndexRecord[]): Message[] | Promise<Message[] | null> {
    const messages: Message[] = []
    for (const { offset } of records) {
      const message = this.#options.hot.get(offset)
      if (message === undefined) return this.#loadFromFiles(records)
      messages.push(message)
    }
    return messages
  }

  async close (): Promise<void> {
    await this.#options.close()
    this.#options.hot.clear()
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
    this.#options.hot.noteWritten(writes.at(-1)?.offset ?? 0)
  }

  /** Takes a message out that did not reach the disk. An evicted one is lost as well: the disk does not know of it. */
  #lose (name: AddressKey, offset: Offset): void {
    this.#options.index.lose(offset)
    this.#options.losses.add(name, offset)
  }

  async #loadFromFiles (records: readonly IndexRecord[]): Promise<Message[] | null> {
    // Taken now: the window may drop a message while others are read.
    const hot = records.map(({ offset }) => this.#options.hot.get(offset))
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
