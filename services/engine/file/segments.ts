import type { Offset } from '../../model/message.ts'
import { clearBit, hasBit } from '../local/collections/bits.ts'
import type { LivingRecords } from '../local/index/index-record.ts'
import type { SegmentNote } from './codec.ts'
import type { Segment } from './journal/segment.ts'

/** A segment of the log. */
interface Entry {
  segment: Segment
  /** The records of a sealed segment; null for a segment as the journal writes it. */
  sealed: Sealed | null
}

/** The records of a sealed segment. */
interface Sealed {
  readonly count: number
  /** One bit for each record, in the order of the footer. */
  readonly living: Uint8Array
  livingBytes: number
}

/** A segment at one moment: its note for a checkpoint, and which of its records are alive. */
export interface SegmentSnapshot {
  readonly note: SegmentNote
  readonly path: string
  /** Bytes of the good part of the file. */
  readonly length: number
  /** Bits of a sealed segment; null for an unsealed one. */
  readonly living: Uint8Array | null
  /** Bytes of the living records of a sealed segment that count towards the size of the log; 0 for an unsealed one. */
  readonly livingBytes: number
}

/** The segments of a log, from the oldest to the one that the journal writes. */
export class Segments {
  readonly #entries: Entry[] = []

  /** Adds a segment behind the others. */
  add (segment: Segment): void {
    this.#entries.push({ segment, sealed: null })
  }

  /** Adds a sealed segment behind the others. `count`: its records, dead ones included. */
  addSealed (segment: Segment, count: number, { bits, bytes }: LivingRecords): void {
    this.#entries.push({ segment, sealed: { count, living: bits, livingBytes: bytes } })
  }

  /** The segment that holds a record. */
  at (offset: Offset): Segment | undefined {
    return this.#entryAt(offset)?.segment
  }

  /** Notes that a record has left the log. */
  remove (offset: Offset, ordinal: number, bytes: number): void {
    const sealed = this.#entryAt(offset)?.sealed
    if (sealed == null) return
    if (!hasBit(sealed.living, ordinal)) return
    clearBit(sealed.living, ordinal)
    sealed.livingBytes -= bytes
  }

  /** Replaces a segment by its sealed form. Reads of the former file end by themselves. */
  replace (segment: Segment, count: number, { bits, bytes }: LivingRecords): void {
    const entry = this.#entries.find((one) => one.segment.id === segment.id)
    if (entry === undefined) return segment.close()
    entry.segment.close()
    entry.segment = segment
    entry.sealed = { count, living: bits, livingBytes: bytes }
  }

  /** Removes a segment without living records. */
  drop (id: number): void {
    const at = this.#entries.findIndex(({ segment }) => segment.id === id)
    const [entry] = at === -1 ? [] : this.#entries.splice(at, 1)
    entry?.segment.close()
  }

  /** The segments before the one with this id, as they are now. */
  snapshot (before: number): SegmentSnapshot[] {
    return this.#entries.filter(({ segment }) => segment.id < before).map(({ segment, sealed }) => ({
      note: { id: segment.id, lastOffset: segment.lastOffset, count: sealed?.count ?? null },
      path: segment.path,
      length: segment.length,
      living: sealed?.living.slice() ?? null,
      livingBytes: sealed?.livingBytes ?? 0
    }))
  }

  /** Paths of all files, the newest last. */
  paths (): string[] {
    return this.#entries.map(({ segment }) => segment.path)
  }

  close (): void {
    for (const { segment } of this.#entries.splice(0)) segment.close()
  }

  /** The first segment whose last offset is not below an offset; the last segment takes every greater offset. */
  #entryAt (offset: Offset): Entry | undefined {
    let low = 0
    let high = this.#entries.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle]?.segment.lastOffset ?? 0) >= offset) high = middle
      else low = middle + 1
    }
    return this.#entries[low]
  }
}
