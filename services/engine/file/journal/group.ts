import type { Offset } from '../../../model/message.ts'
import { finishGroup, GROUP_BYTES } from './format.ts'
import type { Segment } from './segment.ts'

/** A record for the journal. */
export interface JournalRecord {
  /** The encoded record; the journal copies the bytes when it writes them. */
  readonly bytes: Buffer
  /** Offset of the record; 0 for a record without an offset of its own. */
  readonly offset: Offset
  /**
   * Receives the place of the record when the record is on the disk, in the order of the records and before `written`
   * of the group resolves. Must not throw.
   */
  written? (segment: Segment, position: number): void
}

/** The most records and bytes of one group, unless a single record exceeds the limit. */
const MAX_RECORDS = 500
const MAX_BYTES = 2 * 1024 ** 2

/** Records that are written and synced together: after a crash all of them are there or none. */
export class Group {
  /** Resolves to whether the records are on the disk; never rejects. */
  readonly written: Promise<boolean>
  readonly #records: JournalRecord[] = []
  #resolve: (isWritten: boolean) => void = () => {}
  #bytes = GROUP_BYTES
  #lastOffset: Offset = 0
  #isSettled = false

  constructor () {
    this.written = new Promise((resolve) => { this.#resolve = resolve })
  }

  /** Bytes of the group in the file. */
  get bytes (): number {
    return this.#bytes
  }

  /** Greatest offset of the records; 0 when none has one. */
  get lastOffset (): Offset {
    return this.#lastOffset
  }

  /** Whether the result is known. A group that was refused while its write hung is settled before the write ends. */
  get isSettled (): boolean {
    return this.#isSettled
  }

  /** Whether the group can take a record. An empty group takes a record of any size. */
  hasRoomFor ({ bytes }: JournalRecord): boolean {
    return this.#records.length === 0 ||
      (this.#records.length < MAX_RECORDS && this.#bytes + bytes.length <= MAX_BYTES)
  }

  add (record: JournalRecord): void {
    this.#records.push(record)
    this.#bytes += record.bytes.length
    if (record.offset > this.#lastOffset) this.#lastOffset = record.offset
  }

  /** Copies the group into a buffer, for a position of a segment. */
  encode (into: Buffer, segment: Segment, lastOffset: Offset): void {
    let at = GROUP_BYTES
    for (const { bytes } of this.#records) {
      into.set(bytes, at)
      at += bytes.length
    }
    finishGroup(into, at, segment.length, segment.id, lastOffset)
  }

  /** Notifies the records of their places. */
  notify (segment: Segment, start: number): void {
    let position = start + GROUP_BYTES
    for (const record of this.#records) {
      record.written?.(segment, position)
      position += record.bytes.length
    }
  }

  /** Sets the result; only the first call counts. */
  settle (isWritten: boolean): void {
    this.#isSettled = true
    this.#resolve(isWritten)
  }
}
