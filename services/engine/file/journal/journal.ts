import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { settledWithin } from '../../../lib/timeout.ts'
import type { Offset } from '../../../model/message.ts'
import { DISK, syncFolder, type Disk } from './disk.ts'
import { encodeHeader, HEADER_BYTES, segmentName, type Predecessor } from './format.ts'
import { Group, type JournalRecord } from './group.ts'
import { Segment } from './segment.ts'

/** Collaborators, limits and hooks of a journal. */
export interface JournalOptions {
  /** Path of the folder of the segments. */
  readonly folder: string
  /** Offset at which the log began. */
  readonly origin: Offset
  /** The segment to continue; or the id of the first segment to create, and its predecessor. */
  readonly start: Segment | { readonly id: number, readonly predecessor: Predecessor | null }
  /**
   * Length in bytes at which a segment is followed by the next, at most 2 GiB; a file exceeds it by one group at most.
   * @default 64 MiB
   */
  readonly segmentBytes?: () => number
  /**
   * Whether each group is synced. Without, a group counts as written when the system has taken its bytes.
   * @default true
   */
  readonly isSynced?: boolean
  /**
   * Time in ms after which a group counts as failed while the disk has not answered.
   * @default 30000
   */
  readonly stuckMs?: number
  /**
   * Pauses between attempts to write again, in ms: the first, doubled up to the longest.
   * @default { first: 100, longest: 5000 }
   */
  readonly retryMs?: { readonly first: number, readonly longest: number }
  readonly disk?: Disk
  /** Receives a new segment before its first group is written; `full` is null for the first segment. Must not throw. */
  onRoll (full: Segment | null, next: Segment): void
  /**
   * Receives the sentence and the error when writes begin to fail, and null when they succeed again. Must not throw.
   */
  onProblem (problem: string | null, error: unknown): void
  /** Describes the consequence of a write error in one sentence. */
  explain (error: unknown): string
}

/** The most bytes in flight; records beyond this bound are refused. */
const MAX_BYTES_IN_FLIGHT = 128 * 1024 ** 2
/** Positions in a file have 32 bits, and the last group begins before this length. */
const MAX_SEGMENT_BYTES = 2 * 1024 ** 3
/** The largest buffer that is kept between groups. */
const MAX_KEPT_BYTES = 4 * 1024 ** 2
const ZEROS = Buffer.alloc(256 * 1024)
/** Bytes that must fit besides those that failed: on a nearly full disk, problems would begin and end all the time. */
const SPARE_BYTES = 1024 ** 2
/** Time without a problem, in longest pauses, after which the pauses between attempts begin again with the shortest. */
const CALM_PAUSES = 12

/**
 * Writes records to segment files: one write and one fdatasync for a group, one group at a time. Records that arrive
 * while a group is written share a later group. After a failure the journal refuses records until it has written and
 * synced as many bytes as failed. A file whose sync failed is neither written nor synced again: after such an error a
 * later sync may succeed without having written anything.
 */
export class Journal {
  readonly #options: JournalOptions
  readonly #disk: Disk
  readonly #segmentBytes: () => number
  readonly #isSynced: boolean
  readonly #retryFrom: { readonly first: number, readonly longest: number }
  readonly #queue: Group[] = []
  /** The group that is being written. */
  #writing: Group | null = null
  #segment: Segment | null
  #predecessor: Predecessor | null
  #nextId: number
  /** Whether a sync of the segment failed. */
  #isBroken = false
  #buffer = Buffer.alloc(0)
  #bytesInFlight = 0
  /** Size of the last failed group: a probe must write as much. */
  #failedBytes = 0
  #problem: string | null = null
  /** End of the last problem, in ms of the steady clock. */
  #recoveredAt = -Infinity
  /** Whether a group or a probe is in progress or scheduled. */
  #isRunning = false
  #isClosed = false
  #retryMs: number
  #retry: NodeJS.Timeout | undefined
  #onIdle: Array<() => void> = []

  /** @throws {RangeError} For segments above 2 GiB. */
  constructor (options: JournalOptions) {
    const { start, segmentBytes = () => 64 * 1024 ** 2, isSynced = true, disk = DISK } = options
    if (segmentBytes() > MAX_SEGMENT_BYTES) throw new RangeError('A segment must have at most 2 GiB.')
    this.#options = options
    this.#disk = disk
    this.#segmentBytes = segmentBytes
    this.#isSynced = isSynced
    this.#retryFrom = options.retryMs ?? { first: 100, longest: 5000 }
    this.#retryMs = this.#retryFrom.first
    this.#segment = start instanceof Segment ? start : null
    this.#segment?.retain()
    this.#predecessor = start instanceof Segment ? null : start.predecessor
    this.#nextId = start instanceof Segment ? start.id + 1 : start.id
  }

  /** The reason why writes currently fail; null while writes succeed. */
  get problem (): string | null {
    return this.#problem
  }

  /** Queues a record. Returns its group; or null when the journal is closed, failing or at its bound. */
  push (record: JournalRecord): Group | null {
    const isTooMuch = this.#bytesInFlight + record.bytes.length > MAX_BYTES_IN_FLIGHT
    if (this.#isClosed || this.#problem !== null || isTooMuch) return null
    let group = this.#queue[this.#queue.length - 1]
    if (!group?.hasRoomFor(record)) {
      group = new Group()
      this.#queue.push(group)
      this.#bytesInFlight += group.bytes
    }
    group.add(record)
    this.#bytesInFlight += record.bytes.length
    this.#start()
    return group
  }

  /** Resolves when the results of all groups so far are known. */
  async settled (): Promise<void> {
    const groups = this.#writing === null ? this.#queue : [this.#writing, ...this.#queue]
    await Promise.all(groups.map(({ written }) => written))
  }

  /**
   * Gives the present segment up, because its file is gone. Refuses records until a new segment has begun.
   *
   * @param problem The consequence, in one sentence.
   */
  abandon (problem: string): void {
    if (this.#isClosed || this.#problem !== null) return
    this.#isBroken = true
    this.#begin(problem, undefined)
    this.#refuseQueued()
    if (!this.#isRunning) this.#retryLater()
  }

  /**
   * Refuses new records. Waits for queued groups up to the time limit and refuses the rest. Resolves to whether the
   * disk is idle. Does not close the segments.
   */
  async close (limitMs: number): Promise<boolean> {
    const isFirst = !this.#isClosed
    this.#isClosed = true
    clearTimeout(this.#retry)
    if (isFirst && !this.#isRunning) this.#segment?.release()
    if (this.#isRunning) await settledWithin(new Promise<void>((resolve) => this.#onIdle.push(resolve)), limitMs)
    this.#refuseQueued()
    return !this.#isRunning
  }

  #start (): void {
    if (this.#isRunning) return
    this.#isRunning = true
    // Deferred, so that records of the same turn of the event loop share the group.
    setImmediate(() => { void this.#run() })
  }

  async #run (): Promise<void> {
    if (this.#problem !== null && !this.#isClosed) await this.#recover()
    while (this.#problem === null) {
      const group = this.#queue.shift()
      if (group === undefined) break
      this.#writing = group
      await this.#write(group)
      this.#writing = null
      // The callers of this group may have more records for the next one.
      if (this.#queue.length > 0) await nextTurn()
    }
    this.#isRunning = false
    if (this.#isClosed) this.#segment?.release()
    else if (this.#problem !== null) this.#retryLater()
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  async #write (group: Group): Promise<void> {
    // A group that is stuck counts as failed for its callers; the journal still waits for the end of the system call.
    const { stuckMs = 30_000 } = this.#options
    const sentence = `The disk has not answered for ${stuckMs / 1000} seconds; messages are delivered and not stored.`
    const stuck = setTimeout(() => this.#refuse(group, sentence, undefined), stuckMs)
    try {
      const segment = await this.#openSegment()
      const start = segment.length
      const lastOffset = Math.max(this.#lastOffset, group.lastOffset)
      await this.#writeGroup(group, segment, lastOffset)
      // The callers of a stuck group know that its records are not stored: the records must leave the file.
      if (group.isSettled) throw new Error('The disk answered too late.')
      segment.extend(start + group.bytes, lastOffset, this.#isSynced)
      group.notify(segment, start)
      this.#settle(group, true)
    } catch (error) {
      this.#failedBytes = group.bytes
      await this.#cut()
      this.#refuse(group, this.#options.explain(error), error)
    } finally {
      clearTimeout(stuck)
    }
  }

  get #lastOffset (): Offset {
    return this.#segment?.lastOffset ?? this.#predecessor?.lastOffset ?? 0
  }

  /** The segment with space for a group: the present one, or a new one. */
  async #openSegment (): Promise<Segment> {
    if (this.#segment !== null && !this.#needsNext()) return this.#segment
    const next = await this.#create()
    this.#continueIn(next)
    return next
  }

  async #writeGroup (group: Group, segment: Segment, lastOffset: Offset): Promise<void> {
    const bytes = this.#bufferOf(group.bytes)
    group.encode(bytes, segment, lastOffset)
    await this.#writeAll(segment.fd, bytes, group.bytes, segment.length)
    await this.#sync(segment)
  }

  #bufferOf (bytes: number): Buffer {
    if (bytes <= this.#buffer.length) return this.#buffer
    const buffer = Buffer.allocUnsafeSlow(Math.max(64 * 1024, 2 ** Math.ceil(Math.log2(bytes))))
    if (buffer.length <= MAX_KEPT_BYTES) this.#buffer = buffer
    return buffer
  }

  async #writeAll (fd: number, bytes: Buffer, length: number, position: number): Promise<void> {
    const written = await this.#disk.write(fd, bytes, 0, length, position)
    if (written === length) return
    // A short write is nearly always a full disk; the code lets `explain` say so.
    const error = new Error(`The disk took ${written} of ${length} bytes.`)
    throw Object.assign(error, { code: 'ENOSPC' })
  }

  async #sync (segment: Segment): Promise<void> {
    if (!this.#isSynced) return
    try {
      await this.#disk.fdatasync(segment.fd)
    } catch (error) {
      if (segment === this.#segment) this.#isBroken = true
      throw error
    }
  }

  /** Cuts the rest of a failed write off the file. When that fails too, the next attempt or the next header cuts it. */
  async #cut (): Promise<void> {
    const segment = this.#segment
    if (segment === null) return
    try {
      await this.#disk.ftruncate(segment.fd, segment.length)
    } catch {
      // The error of the write is the one to report.
    }
  }

  /** Refuses a group, all queued groups and, from now on, new records. */
  #refuse (group: Group, problem: string, error: unknown): void {
    if (this.#problem === null) this.#begin(problem, error)
    this.#settle(group, false)
    this.#refuseQueued()
  }

  /** Begins a problem. Soon after another, the pauses between attempts go on growing: a disk may fail now and then. */
  #begin (problem: string, error: unknown): void {
    const { first, longest } = this.#retryFrom
    if (performance.now() - this.#recoveredAt > CALM_PAUSES * longest) this.#retryMs = first
    this.#problem = problem
    this.#options.onProblem(problem, error)
  }

  #refuseQueued (): void {
    for (const group of this.#queue.splice(0)) this.#settle(group, false)
  }

  #settle (group: Group, isWritten: boolean): void {
    if (group.isSettled) return
    this.#bytesInFlight -= group.bytes
    group.settle(isWritten)
  }

  #retryLater (): void {
    this.#retry = setTimeout(() => this.#start(), this.#retryMs)
    this.#retry.unref()
    this.#retryMs = Math.min(2 * this.#retryMs, this.#retryFrom.longest)
  }

  /** Ends the problem when as many bytes as failed, and some more, can be written and synced. */
  async #recover (): Promise<void> {
    let next: Segment | null = null
    try {
      if (this.#segment === null || this.#needsNext()) next = await this.#create()
      const segment = next ?? this.#segment
      if (segment !== null) await this.#probe(segment)
    } catch {
      // The problem goes on, and its first error has been reported.
      if (next === null) await this.#cut()
      else await this.#discard(next.fd, next.path)
      return
    }
    if (next !== null) this.#continueIn(next)
    this.#recoveredAt = performance.now()
    this.#problem = null
    this.#options.onProblem(null, undefined)
  }

  /** Writes and syncs a filler behind the good part of a segment and cuts it off again. */
  async #probe (segment: Segment): Promise<void> {
    await this.#disk.ftruncate(segment.fd, segment.length)
    const bytes = this.#failedBytes + SPARE_BYTES
    for (let at = 0; at < bytes; at += ZEROS.length) {
      await this.#writeAll(segment.fd, ZEROS, Math.min(ZEROS.length, bytes - at), segment.length + at)
    }
    await this.#sync(segment)
    await this.#disk.ftruncate(segment.fd, segment.length)
    // Otherwise a crash could leave the filler, which looks like a damaged group.
    await this.#sync(segment)
  }

  #needsNext (): boolean {
    return this.#isBroken || this.#segment === null || this.#segment.length >= this.#segmentBytes()
  }

  #continueIn (next: Segment): void {
    const full = this.#segment
    next.retain()
    this.#segment = next
    this.#isBroken = false
    this.#options.onRoll(full, next)
    full?.release()
  }

  /** Creates the next segment, durable with its name and header before the first group in it. */
  async #create (): Promise<Segment> {
    const { fd, path, id } = await this.#createFile()
    const { origin } = this.#options
    const last = this.#segment
    const predecessor = last?.asPredecessor() ?? this.#predecessor
    try {
      const header = encodeHeader({ id, origin, predecessor, sealed: null })
      const segment = new Segment(fd, path, id, HEADER_BYTES, predecessor?.lastOffset ?? 0)
      await this.#writeAll(fd, header, HEADER_BYTES, 0)
      await this.#sync(segment)
      if (this.#isSynced) await syncFolder(this.#options.folder, this.#disk)
      return segment
    } catch (error) {
      await this.#discard(fd, path)
      throw error
    }
  }

  /** Creates a file with the next free id. */
  async #createFile (): Promise<{ fd: number, path: string, id: number }> {
    for (;;) {
      const id = this.#nextId++
      const path = join(this.#options.folder, segmentName(id))
      try {
        return { fd: await this.#disk.open(path, 'wx+', 0o600), path, id }
      } catch (error) {
        // Left over from a segment that could neither be completed nor removed.
        if (error instanceof Error && 'code' in error && error.code === 'EEXIST') continue
        throw error
      }
    }
  }

  /** Removes a segment without groups. A file that cannot be removed has no successor and no records. */
  async #discard (fd: number, path: string): Promise<void> {
    try {
      await this.#disk.close(fd)
      await this.#disk.unlink(path)
    } catch {
      // The error before is the one to report.
    }
  }
}
