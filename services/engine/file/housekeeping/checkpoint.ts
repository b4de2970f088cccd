import { closeSync, fstatSync, openSync } from 'node:fs'
import { rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AddressKey, Offset } from '../../../model/message.ts'
import type { EvictionSnapshot } from '../../local/index/addresses.ts'
import type { Evicted } from '../../local/evicted.ts'
import type { IdempotencyRecord } from '../../local/idempotency.ts'
import type { Value } from '../../local/state/values.ts'
import {
  decodeKeyUse, decodeValue, encodeDoubt, encodeDropped, encodeEnd, encodeEvicted, encodeKeyUse, encodePadding,
  encodeSegmentNote, encodeValue, nameOf, numberOf, type SegmentNote
} from '../codec.ts'
import { syncFolder, type Disk } from '../journal/disk.ts'
import {
  encodeHeader, finishGroup, GROUP_BYTES, KIND, recordKind, recordOffset, recordParts, type Predecessor
} from '../journal/format.ts'
import { scanSegment } from '../journal/scan.ts'

/** Bytes of a group of a checkpoint, unless a single record is larger. */
const GROUP_LIMIT = 256 * 1024
/** Bytes between the two places with the living records: four blocks of a usual disk. */
const PADDING_BYTES = 16 * 1024

/** Everything that the footers of the segments do not say, as of the moment when the journal began a segment. */
export interface CheckpointContent {
  /** The segment that begins here: the records from there on are replayed. */
  readonly next: number
  readonly origin: Offset
  /** The segment before; null for a checkpoint of an empty log. */
  readonly predecessor: Predecessor | null
  /** Offset of the last record whose effects the checkpoint has: it may be in `next` or later. */
  readonly asOf: Offset
  /** The segments before `next` that have living records, each with these. */
  readonly segments: ReadonlyArray<{ readonly note: SegmentNote, readonly living: Uint8Array | Float64Array }>
  /** Offsets of the living messages in `next` and later, up to `asOf`. */
  readonly recent: Float64Array
  readonly evictions: EvictionSnapshot
  readonly keys: Iterable<readonly [key: string, record: IdempotencyRecord]>
  readonly values: Iterable<readonly [text: string, value: Value]>
  /** Losses in the evictions of an address that a replay counts from the segments behind. */
  readonly replayed: ReadonlyMap<AddressKey, number>
}

/** The name of the file of a checkpoint: `00000042.checkpoint`. */
export function checkpointName (next: number): string {
  return `${String(next).padStart(8, '0')}.checkpoint`
}

/** The segment at which the checkpoint in a file begins; null for another file. */
export function checkpointId (name: string): number | null {
  return /^\d{8,10}\.checkpoint$/.test(name) ? Number.parseInt(name) : null
}

/**
 * Writes a checkpoint: the file is complete on the disk before it has its name. Lets other work run in between: keys
 * and values that change meanwhile are written with the old or the new content, and replayed from the journal anyway.
 *
 * @throws The error of the disk.
 */
export async function writeCheckpoint (folder: string, content: CheckpointContent, disk: Disk): Promise<void> {
  const path = join(folder, checkpointName(content.next))
  const temporary = `${path}.tmp`
  await unlink(temporary).catch(() => {})
  const fd = await disk.open(temporary, 'wx', 0o600)
  try {
    await writeRecords(fd, content, disk)
    await disk.fdatasync(fd)
  } catch (error) {
    await disk.close(fd)
    await unlink(temporary).catch(() => {})
    throw error
  }
  await disk.close(fd)
  await rename(temporary, path)
  await syncFolder(folder, disk)
}

async function writeRecords (fd: number, content: CheckpointContent, disk: Disk): Promise<void> {
  const { next: id, origin, predecessor, asOf } = content
  const writer = new GroupWriter(fd, id, asOf, disk)
  await writer.write(encodeHeader({ id, origin, predecessor, sealed: null }))
  for await (const record of recordsOf(content)) if (writer.add(record)) await writer.flush()
  await writer.flush()
  // A second time, in other groups and in other blocks of the disk: without these records purged messages would return,
  // and damage at one place leaves one of the two.
  writer.add(encodePadding(PADDING_BYTES))
  await writer.flush()
  for (const record of livingRecordsOf(content)) if (writer.add(record)) await writer.flush()
  writer.add(encodeEnd(asOf, writer.count))
  await writer.flush()
}

async function * recordsOf (content: CheckpointContent): AsyncGenerator<Buffer, void> {
  const { asOf, evictions, keys, values, replayed } = content
  yield * livingRecordsOf(content)
  for (const [name, { upTo, count }] of evictions.entries()) {
    yield encodeEvicted(name, upTo, Math.max(0, count - (replayed.get(name) ?? 0)))
  }
  for (const [kind, upTo] of evictions.dropped) yield encodeDropped(kind, upTo)
  if (evictions.doubtUpTo > 0) yield encodeDoubt(evictions.doubtUpTo)
  for (const [key, record] of keys) {
    // A replay adds the keys of later messages. The results of the earlier messages are known by now.
    if (record.offset <= asOf) yield encodeKeyUse(key, record, await record.stored)
  }
  for (const [text, value] of values) yield encodeValue(text, value)
}

function * livingRecordsOf ({ segments, recent, next, asOf }: CheckpointContent): Generator<Buffer, void> {
  for (const { note, living } of segments) yield encodeSegmentNote(note, living)
  yield encodeSegmentNote({ id: next, lastOffset: asOf, count: null }, recent)
}

/** Writes records in groups. */
class GroupWriter {
  readonly #fd: number
  readonly #id: number
  readonly #lastOffset: Offset
  readonly #disk: Disk
  #position = 0
  #records: Buffer[] = []
  #bytes = GROUP_BYTES
  count = 0

  constructor (fd: number, id: number, lastOffset: Offset, disk: Disk) {
    this.#fd = fd
    this.#id = id
    this.#lastOffset = lastOffset
    this.#disk = disk
  }

  /** Adds a record. Returns whether the group should be flushed. */
  add (record: Buffer): boolean {
    this.#records.push(record)
    this.#bytes += record.length
    this.count++
    return this.#bytes >= GROUP_LIMIT
  }

  async flush (): Promise<void> {
    if (this.#records.length === 0) return
    const group = Buffer.concat([Buffer.alloc(GROUP_BYTES), ...this.#records], this.#bytes)
    finishGroup(group, group.length, this.#position, this.#id, this.#lastOffset)
    this.#records = []
    this.#bytes = GROUP_BYTES
    await this.write(group)
    await nextTurn()
  }

  async write (bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const written = await this.#disk.write(this.#fd, bytes, at, bytes.length - at, this.#position + at)
      if (written === 0) throw Object.assign(new Error('The disk takes no more bytes.'), { code: 'ENOSPC' })
      at += written
    }
    this.#position += bytes.length
  }
}

/** A segment as a checkpoint has it. */
export interface CheckpointSegment {
  readonly note: SegmentNote
  /** See `encodeSegmentNote`. */
  readonly living: Buffer
}

/** A checkpoint as it was read. */
export interface Checkpoint {
  readonly next: number
  /** Null when the header is damaged, as is the predecessor then. */
  readonly origin: Offset | null
  readonly predecessor: Predecessor | null
  readonly asOf: Offset
  /** Whether header and records were read. Otherwise evictions may be missing: any address may have lost messages. */
  readonly isComplete: boolean
  readonly segments: ReadonlyMap<number, CheckpointSegment>
  /** The living messages in `next` and later, up to `asOf`. */
  readonly recent: ReadonlySet<Offset>
  readonly evictions: ReadonlyArray<readonly [AddressKey, Evicted]>
  readonly dropped: ReadonlyArray<readonly [kind: number, upTo: Offset]>
  readonly doubtUpTo: Offset
  readonly keys: ReadonlyArray<readonly [key: string, record: IdempotencyRecord]>
  readonly values: ReadonlyMap<string, Value>
}

/** Reads a checkpoint; null for a file without a good header or record. Blocks. */
export function readCheckpoint (folder: string, next: number): Checkpoint | null {
  const fd = openSync(join(folder, checkpointName(next)), 'r')
  try {
    return decodeCheckpoint(fd, next)
  } finally {
    closeSync(fd)
  }
}

function decodeCheckpoint (fd: number, next: number): Checkpoint | null {
  const segments = new Map<number, { note: SegmentNote, living: Buffer }>()
  const evictions: Array<[AddressKey, Evicted]> = []
  const dropped: Array<[number, Offset]> = []
  const keys: Array<[string, IdempotencyRecord]> = []
  const values = new Map<string, Value>()
  let recent = new Set<Offset>()
  let [doubtUpTo, asOf, count, expected] = [0, 0, 0, -1]
  const { header } = scanSegment({ fd, size: fstatSync(fd).size, id: next, expected: null }, (bytes, at) => {
    const offset = recordOffset(bytes, at)
    switch (recordKind(bytes, at)) {
      case KIND.living: {
        const note = JSON.parse(recordParts(bytes, at).options.toString()) as SegmentNote
        const living = Buffer.from(recordParts(bytes, at).payload)
        if (note.id === next) recent = new Set(offsetsIn(living))
        else segments.set(note.id, { note, living })
        break
      }
      case KIND.evicted:
        evictions.push([nameOf(bytes, at), { upTo: offset, count: numberOf(bytes, at) }])
        break
      case KIND.dropped:
        dropped.push([numberOf(bytes, at), offset])
        break
      case KIND.doubt:
        doubtUpTo = offset
        break
      case KIND.keyUse:
        keys.push(decodeKeyUse(bytes, at))
        break
      case KIND.value:
        values.set(nameOf(bytes, at), decodeValue(bytes, at))
        break
      case KIND.end:
        asOf = offset
        expected = numberOf(bytes, at)
        return
    }
    count++
  })
  if (header === null && count === 0) return null
  const { origin, predecessor } = header ?? { origin: null, predecessor: null }
  const isComplete = header !== null && count === expected
  return { next, origin, predecessor, asOf, isComplete, segments, recent, evictions, dropped, doubtUpTo, keys, values }
}

/** The offsets in the payload of a record. */
export function offsetsIn (payload: Buffer): Float64Array {
  // A copy: the bytes may begin at any address.
  return new Float64Array(Uint8Array.from(payload).buffer)
}
