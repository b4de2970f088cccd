import { closeSync, fdatasyncSync, fstatSync, openSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../../lib/log.ts'
import type { AddressKey, Offset } from '../../../model/message.ts'
import { digestOf } from '../../digest.ts'
import type { Evicted } from '../../local/evicted.ts'
import type { IdempotencyRecords } from '../../local/idempotency.ts'
import type { LogIndex } from '../../local/index/log-index.ts'
import type { Value, Values } from '../../local/state/values.ts'
import { checkpointId, checkpointName, readCheckpoint, type Checkpoint } from '../housekeeping/checkpoint.ts'
import { decodeKeyUse, decodeMessage, decodeValue, indexRecordOf, nameOf, numberOf } from '../codec.ts'
import type { HotWindow } from '../hot-window.ts'
import { readFooter } from '../journal/footer.ts'
import {
  isMessage, KIND, recordKind, recordOffset, recordTime, segmentId, segmentName, type Predecessor, type SegmentHeader
} from '../journal/format.ts'
import { scanSegment, type Scan } from '../journal/scan.ts'
import { Segment } from '../journal/segment.ts'
import { readHeaders } from './headers.ts'
import { restoreFooter, restoreScanned } from './restore.ts'
import type { Segments } from '../segments.ts'

/** What an earlier process left, to be filled from its files. */
export interface RecoveryOptions {
  readonly folder: string
  readonly index: LogIndex
  readonly keys: IdempotencyRecords
  readonly values: Values
  readonly segments: Segments
  readonly hot: HotWindow
  readonly log: Log
  readonly windowMs: number
  readonly now: () => number
}

/** How the journal goes on. */
export interface Recovered {
  /** Offset at which the log began; null for a new log. */
  readonly origin: Offset | null
  /** Greatest offset that any record had. */
  readonly lastOffset: Offset
  readonly start: Segment | { readonly id: number, readonly predecessor: Predecessor | null }
  /** The newest checkpoint, damaged or not; null without one. */
  readonly checkpoint: number | null
  /** Whether records that may have been acknowledged are lost: every address may have lost messages up to now. */
  readonly isDoubtful: boolean
}

/** Opens the log that an earlier process left in a folder. Blocks. */
export function recover (options: RecoveryOptions): Recovered {
  return new Recovery(options).run()
}

class Recovery {
  readonly #options: RecoveryOptions
  readonly #values = new Map<string, Value>()
  /** The headers of the segments; null for a damaged one. */
  #headers: ReadonlyMap<number, SegmentHeader | null> = new Map()
  #lastOffset: Offset = 0
  #origin: Offset | null = null
  #isDoubtful = false
  /** Losses since the last purge of each address, behind the checkpoint, which does not have them. */
  readonly #losses = new Map<AddressKey, Evicted>()
  /** Records up to this offset had their effects in the checkpoint; 0 when the checkpoint is not complete. */
  #asOf: Offset = 0
  /** Offsets of the messages up to there that were alive at the checkpoint, in the segments that are replayed. */
  #recent: ReadonlySet<Offset> = new Set()
  /** The segment at which the checkpoint begins; 0 without one. */
  #next = 0
  /** The number of messages that were left out of the segment, because they are not above all earlier ones. */
  #leftOut = 0
  /** The newest segment that was not replayed. */
  #lastSealed: Predecessor | null = null

  constructor (options: RecoveryOptions) {
    this.#options = options
  }

  run (): Recovered {
    const { folder, values } = this.#options
    const names = readdirSync(folder)
    const ids = names.flatMap((name) => segmentId(name) ?? []).sort((a, b) => a - b)
    const checkpoints = names.flatMap((name) => checkpointId(name) ?? []).sort((a, b) => b - a)
    // Throws for files that are not of this log, before anything is changed.
    this.#headers = readHeaders(folder, ids, checkpoints)
    for (const name of names) if (name.endsWith('.tmp')) rmSync(join(folder, name))
    const checkpoint = this.#restoreCheckpoint(checkpoints)
    for (const { note } of checkpoint?.segments.values() ?? []) {
      if (!ids.includes(note.id)) this.#noteMissing(note.id, note.lastOffset)
    }
    const next = checkpoint?.next ?? 0
    // The file existed before the checkpoint.
    if (checkpoint !== null && !ids.some((id) => id >= next)) this.#noteMissing(next, Infinity)
    // Without the checkpoint that a sealed segment had, its predecessors are restored too: offsets must rise.
    const lastSealed = Math.max(0, ...ids.filter((id) => this.#isSealed(id)))
    const restored = new Set(ids.filter((id) => id < next || id <= lastSealed))
    for (const [n, id] of ids.entries()) if (restored.has(id)) this.#restoreSealed(id, ids[n + 1], checkpoint)
    // Behind the records: an address without records is a tombstone, and the number of tombstones is bounded.
    this.#restoreEvictions(checkpoint)
    const replayed = ids.filter((id) => !restored.has(id))
    const predecessor = checkpoint?.predecessor ?? this.#lastSealed
    // Above the ids of all files, because files are read in the order of their ids.
    const first = Math.max(next, (this.#lastSealed?.id ?? 0) + 1)
    let end: End = { start: { id: first, predecessor }, isEmpty: true, hasTail: false }
    for (const [n, id] of replayed.entries()) end = this.#replay(id, replayed[n + 1] ?? null, end)
    for (const [name, { upTo, count }] of this.#losses) this.#options.index.miss(name, upTo, count)
    values.load(this.#values)
    const lastOffset = Math.max(this.#lastOffset, checkpoint?.asOf ?? 0)
    return {
      origin: this.#origin,
      lastOffset,
      start: end.start,
      // A damaged one is removed as well, when the next is written.
      checkpoint: checkpoints[0] ?? null,
      isDoubtful: this.#isDoubtful
    }
  }

  /** Restores the newest checkpoint that can be read. `ids`: those of all checkpoints, the newest first. */
  #restoreCheckpoint (ids: readonly number[]): Checkpoint | null {
    const { folder, keys, log } = this.#options
    for (const id of ids) {
      const checkpoint = readCheckpoint(folder, id)
      if (checkpoint === null || !checkpoint.isComplete) {
        const sentence = 'a checkpoint of the log is damaged: values of the state may be missing, and readers receive a gap'
        log.error({ path: folder, checkpoint: id }, sentence)
        this.#isDoubtful = true
      }
      if (checkpoint === null) continue
      this.#origin = checkpoint.origin
      if (checkpoint.isComplete) {
        this.#asOf = checkpoint.asOf
        this.#recent = checkpoint.recent
      }
      this.#next = checkpoint.next
      for (const [key, record] of checkpoint.keys) keys.add(key, record)
      for (const [text, value] of checkpoint.values) this.#values.set(text, value)
      for (const older of ids.filter((one) => one < id)) rmSync(join(folder, checkpointName(older)))
      return checkpoint
    }
    return null
  }

  #restoreEvictions (checkpoint: Checkpoint | null): void {
    const { index } = this.#options
    for (const [key, evicted] of checkpoint?.evictions ?? []) index.restoreEvictions(key, evicted)
    for (const [kind, upTo] of checkpoint?.dropped ?? []) index.restoreDropped(kind, upTo)
    if (checkpoint !== null && checkpoint.doubtUpTo > 0) index.doubt(checkpoint.doubtUpTo)
  }

  /** Adds the records of a segment in front of the checkpoint that were alive at the checkpoint. */
  #restoreSealed (id: number, following: number | undefined, checkpoint: Checkpoint | null): void {
    const { folder, segments, index } = this.#options
    const path = join(folder, segmentName(id))
    const known = checkpoint?.segments.get(id)
    if (checkpoint === null) this.#isDoubtful = true
    // Half of a removal: the checkpoint does not name the segment any more.
    if (known === undefined && checkpoint?.isComplete === true && id < checkpoint.next) return rmSync(path)
    const fd = openSync(path, 'r')
    try {
      const { size } = fstatSync(fd)
      const header = this.#headers.get(id) ?? null
      const named = following === undefined ? null : this.#namedBy(following, id)
      const upTo = known?.note.lastOffset ?? header?.sealed?.lastOffset ?? named?.lastOffset
      const footer = readFooter(fd, size, id)
      let lastOffset = Math.max(this.#lastSealed?.lastOffset ?? 0, upTo ?? 0)
      if (typeof footer !== 'string') {
        lastOffset = Math.max(lastOffset, footer.offsets.at(-1) ?? 0)
        const { living, isComplete } = restoreFooter(index, footer, known)
        if (!isComplete) this.#noteDamage(id, { damages: [], missing: 0 }, lastOffset)
        segments.addSealed(Segment.open(path, id, lastOffset), footer.offsets.length, living)
      } else {
        const expected = upTo === undefined ? null : { length: size, lastOffset: upTo }
        const { scan, isComplete } = restoreScanned(index, { fd, size, id, expected }, known)
        lastOffset = Math.max(lastOffset, scan.lastOffset)
        if (!isComplete) this.#noteDamage(id, scan, upTo ?? Infinity)
        segments.add(Segment.open(path, id, lastOffset))
      }
      this.#lastSealed = { id, length: header?.sealed?.length ?? size, lastOffset }
      this.#lastOffset = Math.max(this.#lastOffset, lastOffset)
      this.#origin ??= header?.origin ?? null
    } finally {
      closeSync(fd)
    }
  }

  /** Whether a segment is sealed, also when its header is damaged. */
  #isSealed (id: number): boolean {
    if (this.#headers.get(id)?.sealed != null) return true
    const fd = openSync(join(this.#options.folder, segmentName(id)), 'r')
    try {
      return typeof readFooter(fd, fstatSync(fd).size, id) !== 'string'
    } finally {
      closeSync(fd)
    }
  }

  /** A segment as the header of the following one names it; null when the header names another, or is damaged. */
  #namedBy (following: number, id: number): Predecessor | null {
    const named = this.#headers.get(following)?.predecessor
    return named?.id === id ? named : null
  }

  /** Applies the records of a segment that is not in the checkpoint. */
  #replay (id: number, following: number | null, before: End): End {
    const { folder, segments, log } = this.#options
    const path = join(folder, segmentName(id))
    const fd = openSync(path, 'r')
    const expected = following === null ? null : this.#namedBy(following, id)
    this.#leftOut = 0
    let scan: Scan
    let hasTail = false
    try {
      this.#checkPredecessor(this.#headers.get(id) ?? null, before)
      const { size } = fstatSync(fd)
      hasTail = expected !== null && size > expected.length
      const source = { fd, size, id, expected }
      scan = scanSegment(source, (bytes, at, position) => this.#apply(bytes, at, position))
    } finally {
      closeSync(fd)
    }
    const { header, length, tornBytes, doubtful } = scan
    const { start } = before
    const lastOffset = Math.max(scan.lastOffset, lastOffsetOf(start))
    this.#origin ??= header?.origin ?? null
    const lostUpTo = scan.damages.map((damage) => reach(damage, lastOffset))
    if (this.#leftOut > 0) lostUpTo.push(lastOffset)
    if (lostUpTo.length > 0) this.#noteDamage(id, scan, Math.max(...lostUpTo))
    if (tornBytes > 0) {
      const sentence = 'the end of the log was not written completely, and is cut off; nothing in it was acknowledged'
      log.warn({ path, bytes: tornBytes }, sentence)
    }
    if (doubtful !== null) {
      const sentence = 'the end of the log is damaged, or was not written completely; readers receive a gap'
      log.error({ path, from: doubtful.from, to: doubtful.to }, sentence)
      this.#isDoubtful = true
    }
    this.#lastOffset = Math.max(this.#lastOffset, lastOffset)
    if (length === 0) {
      // Created and never written: nothing in it was acknowledged. A checkpoint names only files with a header.
      if (id === this.#next) this.#isDoubtful = true
      rmSync(path)
      return { ...before, start: nextStart(start, id + 1) }
    }
    // A service was killed before it had written the gap for the doubtful tail of the file before.
    if (before.hasTail && scan.records === 0) this.#isDoubtful = true
    // A doubtful tail stays in its file: the journal begins the next file with the gap.
    const canResume = header !== null && following === null && before.isEmpty && doubtful === null
    const segment = canResume ? resume(path, id, length, lastOffset) : null
    // After a failed sync, a second one proves nothing.
    const isSynced = segment !== null || (!canResume && sync(path))
    if (!isSynced) this.#isDoubtful = true
    const kept = segment ?? openCut(path, id, length, lastOffset)
    segments.add(kept)
    return { start: segment ?? { id: id + 1, predecessor: { id, length, lastOffset } }, isEmpty: false, hasTail }
  }

  /** Notes what is missing between a segment and the one before. */
  #checkPredecessor (header: SegmentHeader | null, { start }: End): void {
    const named = header?.predecessor
    if (named == null || named.lastOffset <= lastOffsetOf(start)) return
    this.#noteMissing(named.id, named.lastOffset)
  }

  #apply (bytes: Buffer, at: number, position: number): void {
    const { index, keys } = this.#options
    const kind = recordKind(bytes, at)
    const offset = recordOffset(bytes, at)
    if (isMessage(kind)) return this.#applyMessage(bytes, at, position)
    switch (kind) {
      case KIND.keyUse:
        keys.add(...decodeKeyUse(bytes, at))
        return
      case KIND.purge:
        this.#losses.delete(nameOf(bytes, at))
        if (offset <= this.#asOf) return
        index.evict(recordTime(bytes, at))
        index.purge(nameOf(bytes, at), recordTime(bytes, at))
        return
      case KIND.loss:
        this.#addLoss(nameOf(bytes, at), offset, numberOf(bytes, at))
        return
      case KIND.doubt:
        index.doubt(offset)
        return
      case KIND.value:
        this.#values.set(nameOf(bytes, at), decodeValue(bytes, at))
        return
      case KIND.removal:
        this.#values.delete(nameOf(bytes, at))
    }
  }

  #applyMessage (bytes: Buffer, at: number, position: number): void {
    const { index, keys, hot, windowMs, now } = this.#options
    const record = indexRecordOf(bytes, at, position)
    const isNew = record.offset > this.#asOf
    if (record.offset <= index.lastOffset) {
      this.#leftOut++
      return
    }
    if (isNew || this.#recent.has(record.offset)) {
      const address = index.add(nameOf(bytes, at), record)
      hot.restore(bytes, at)
      if (isNew) index.evict(record.at, address)
    }
    const until = record.at + windowMs
    if (until <= now()) return
    const message = decodeMessage(bytes, at)
    const { key, offset } = message
    if (key !== undefined) keys.add(key, { offset, until, digest: digestOf(message), stored: true })
  }

  #addLoss (name: AddressKey, upTo: Offset, count: number): void {
    const before = this.#losses.get(name)
    this.#losses.set(name, { upTo: Math.max(upTo, before?.upTo ?? 0), count: count + (before?.count ?? 0) })
  }

  #noteMissing (id: number, lastOffset: Offset): void {
    const { log, folder, index } = this.#options
    log.error({ path: folder, segment: segmentName(id) }, 'a file of the log is missing; readers receive a gap')
    if (!Number.isFinite(lastOffset)) {
      this.#isDoubtful = true
      return
    }
    index.doubt(lastOffset)
    this.#lastOffset = Math.max(this.#lastOffset, lastOffset)
  }

  #noteDamage (id: number, { damages, missing }: Pick<Scan, 'damages' | 'missing'>, lastOffset: Offset): void {
    const places = damages.slice(0, 10).map(({ from, to }) => ({ from, to }))
    const { log, folder, index } = this.#options
    log.error({ path: folder, segment: segmentName(id), missing, places }, 'the log is damaged; readers receive a gap')
    if (Number.isFinite(lastOffset)) index.doubt(lastOffset)
    else this.#isDoubtful = true
  }
}

/** Where the journal goes on after the segments so far. */
interface End {
  readonly start: Recovered['start']
  /** Whether no segment behind the checkpoint has been read. */
  readonly isEmpty: boolean
  /** Whether the last file has bytes behind the length that its successor names. */
  readonly hasTail: boolean
}

/** Greatest offset in the segments before the place where the journal goes on. */
function lastOffsetOf (start: Recovered['start']): Offset {
  return start instanceof Segment ? start.lastOffset : start.predecessor?.lastOffset ?? 0
}

function nextStart (start: Recovered['start'], id: number): Recovered['start'] {
  if (!(start instanceof Segment)) return { ...start, id: Math.max(start.id, id) }
  return { id: Math.max(start.id + 1, id), predecessor: start.asPredecessor() }
}

/** The greatest offset that a damage can hold. */
function reach ({ beforeOffset, lastOffset }: Scan['damages'][number], known: Offset): Offset {
  const upTo = Math.min(lastOffset, beforeOffset - 1)
  return Number.isFinite(upTo) ? upTo : known
}

function resume (path: string, id: number, length: number, lastOffset: Offset): Segment | null {
  try {
    return Segment.resume(path, id, length, lastOffset)
  } catch {
    // The disk is full or read-only: the journal begins a new segment, or reports the problem.
    return null
  }
}

/** Opens a segment that the journal does not continue, without what is behind its good length. */
function openCut (path: string, id: number, length: number, lastOffset: Offset): Segment {
  return new Segment(openSync(path, 'r'), path, id, length, lastOffset)
}

/**
 * Syncs a file that a killed process may have written and not synced: its records are repeated as stored from now on.
 * Returns whether that succeeded.
 */
function sync (path: string): boolean {
  try {
    // Windows syncs only files that are open for writing.
    const fd = openSync(path, 'r+')
    try {
      fdatasyncSync(fd)
    } finally {
      closeSync(fd)
    }
    return true
  } catch {
    // The disk is broken or read-only; the caller notes a gap.
    return false
  }
}
