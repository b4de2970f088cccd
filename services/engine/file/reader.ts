import { HubError } from '../../model/errors.ts'
import type { Message, Offset } from '../../model/message.ts'
import type { IndexRecord } from '../local/index/index-record.ts'
import { MESSAGE_BYTES } from '../local/message-form.ts'
import { decodeMessage } from './codec.ts'
import { isRecord, RECORD_BYTES, recordOffset } from './journal/format.ts'
import type { Segment } from './journal/segment.ts'
import type { Segments } from './segments.ts'

/** Reads of files at the same time: more would keep the threads of Node from writing the journal. */
const MAX_READS = 2
/** Records this close to each other are read at once, up to a length. */
const MAX_GAP_BYTES = 4096
const MAX_READ_BYTES = 256 * 1024

/** A part of a file, with the records in it. */
interface Extent {
  readonly segment: Segment
  readonly from: number
  to: number
  readonly records: IndexRecord[]
}

/** Reads messages from the segment files: neighbours in one read, at most two reads at a time. */
export class SegmentReader {
  readonly #segments: Segments
  readonly #waiting: Array<() => void> = []
  #reads = 0

  constructor (segments: Segments) {
    this.#segments = segments
  }

  /**
   * Reads messages. Resolves with the messages by offset; a damaged one is missing.
   *
   * @throws {HubError} HUB_STORE_FAILED when a file cannot be read.
   */
  async read (records: readonly IndexRecord[]): Promise<Map<Offset, Message>> {
    const extents = this.#plan(records)
    // The files stay open until they are read, although a sealed file may take their place.
    for (const { segment } of extents) segment.retain()
    try {
      const messages = new Map<Offset, Message>()
      for (const extent of extents) await this.#readExtent(extent, messages)
      return messages
    } catch (cause) {
      throw new HubError('HUB_STORE_FAILED', 'The log cannot be read.', { cause })
    } finally {
      for (const { segment } of extents) segment.release()
    }
  }

  #plan (records: readonly IndexRecord[]): Extent[] {
    const places = records.flatMap((record) => {
      const segment = this.#segments.at(record.offset)
      return segment === undefined ? [] : [{ record, segment }]
    }).sort((a, b) => a.segment.id - b.segment.id || a.record.position - b.record.position)
    const extents: Extent[] = []
    for (const { record, segment } of places) {
      const { position } = record
      const end = position + lengthOf(record)
      const last = extents.at(-1)
      const isNear = last?.segment === segment &&
        position - last.to <= MAX_GAP_BYTES && end - last.from <= MAX_READ_BYTES
      if (last === undefined || !isNear) extents.push({ segment, from: position, to: end, records: [record] })
      else {
        last.to = Math.max(last.to, end)
        last.records.push(record)
      }
    }
    return extents
  }

  async #readExtent ({ segment, from, to, records }: Extent, messages: Map<Offset, Message>): Promise<void> {
    if (this.#reads >= MAX_READS) await new Promise<void>((resolve) => { this.#waiting.push(resolve) })
    this.#reads++
    try {
      const bytes = await segment.read(from, to - from)
      for (const record of records) {
        const at = record.position - from
        const length = lengthOf(record)
        const isGood = at + length <= bytes.length && isRecord(bytes, at, length, segment.id) &&
          recordOffset(bytes, at) === record.offset
        if (isGood) messages.set(record.offset, decodeMessage(bytes, at))
      }
    } finally {
      this.#reads--
      this.#waiting.shift()?.()
    }
  }
}

/** Bytes of a record in its file. */
function lengthOf ({ bytes }: IndexRecord): number {
  return bytes - MESSAGE_BYTES + RECORD_BYTES
}
