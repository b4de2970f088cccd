import { existsSync } from 'node:fs'
import { rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../../lib/log.ts'
import type { AddressKey, Offset } from '../../../model/message.ts'
import type { IdempotencyRecords } from '../../local/idempotency.ts'
import { countBits } from '../../local/collections/bits.ts'
import type { LogIndex } from '../../local/index/log-index.ts'
import type { Value } from '../../local/state/values.ts'
import { checkpointName, writeCheckpoint } from './checkpoint.ts'
import { syncFolder, type Disk } from '../journal/disk.ts'
import type { Predecessor } from '../journal/format.ts'
import { Segment } from '../journal/segment.ts'
import type { Sealer } from './sealer.ts'
import type { Segments, SegmentSnapshot } from '../segments.ts'

/** Collaborators and settings of the housekeeping. */
export interface HousekeepingOptions {
  readonly folder: string
  readonly origin: Offset
  readonly index: LogIndex
  readonly keys: IdempotencyRecords
  /** The values of the state that are on the disk. */
  readonly values: () => Iterable<readonly [text: string, value: Value]>
  /** Losses by address whose records are in a segment or later, or not on the disk. */
  readonly lossesFrom: (id: number) => ReadonlyMap<AddressKey, number>
  readonly segments: Segments
  readonly sealer: Sealer
  readonly log: Log
  /** Resolves when the results of all records so far are known. */
  readonly settled: () => Promise<void>
  readonly disk: Disk
  readonly isSynced: boolean
  /** Offset of the last applied record. */
  readonly head: () => Offset
}

/** A full segment at the moment of a checkpoint. */
interface Part {
  readonly snapshot: SegmentSnapshot
  /** The living records: bits of a sealed segment, offsets of an unsealed one. */
  readonly living: Uint8Array | Float64Array
  readonly hasLiving: boolean
  /** Whether the segment is sealed, and its living records are at least half of its bytes. */
  readonly isTidy: boolean
}

/** A new segment of the journal, and the one before. */
interface Roll {
  readonly previous: Predecessor
  readonly next: Segment
}

/** Pauses after a failure, in ms. */
const RETRY_MS = 5000

/**
 * Keeps the files of a log small and quick to open. When the journal begins a segment, a checkpoint is written; then
 * segments without living records are removed, full ones are sealed, and sealed ones are sealed again when less than
 * half of their bytes are alive: the files have at most twice the size of the log, and the newest segment. A file loses
 * only records that were dead at the moment of a checkpoint on the disk: their evictions are known from there.
 */
export class Housekeeping {
  readonly #options: HousekeepingOptions
  #checkpoint: number | null
  #roll: Roll | null = null
  #isRunning = false
  #isClosed = false
  #retry: NodeJS.Timeout | undefined
  #onIdle: Array<() => void> = []

  /** @param checkpoint The checkpoint on the disk; null without one. */
  constructor (options: HousekeepingOptions, checkpoint: number | null) {
    this.#options = options
    this.#checkpoint = checkpoint
  }

  /** Begins the work for a new segment. `previous`: the segment before. */
  begin (previous: Predecessor, next: Segment): void {
    // A roll that was not worked on is contained in the later one.
    this.#roll = { previous, next }
    this.#start()
  }

  /** Resolves when the work that was begun is done, or has failed. */
  async idle (): Promise<void> {
    if (this.#isRunning) await new Promise<void>((resolve) => { this.#onIdle.push(resolve) })
  }

  /** Ends the work. A segment that is being sealed stays as it was. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    await this.#options.sealer.close()
    await this.idle()
  }

  #start (): void {
    if (this.#isRunning || this.#isClosed) return
    clearTimeout(this.#retry)
    this.#isRunning = true
    void this.#run()
  }

  async #run (): Promise<void> {
    try {
      for (let roll = this.#roll; roll !== null && !this.#isClosed; roll = this.#roll) {
        await this.#tidy(roll)
        if (this.#roll === roll) this.#roll = null
      }
    } catch (error) {
      if (!this.#isClosed) {
        this.#options.log.warn({ err: error, path: this.#options.folder }, 'the files of the log could not be tidied up; it is tried again')
        this.#retry = setTimeout(() => this.#start(), RETRY_MS).unref()
      }
    } finally {
      this.#isRunning = false
      for (const resolve of this.#onIdle.splice(0)) resolve()
    }
  }

  async #tidy (roll: Roll): Promise<void> {
    const parts = this.#parts(roll.next.id)
    await this.#writeCheckpoint(roll, parts)
    const failures: unknown[] = []
    for (const part of parts) {
      if (this.#isClosed) return
      // One bad file must not keep the others from being sealed.
      await this.#tidyPart(part).catch((error: unknown) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }

  async #tidyPart (part: Part): Promise<void> {
    const { path } = part.snapshot
    if (!part.hasLiving) await this.#remove(part.snapshot)
    // A removed file is reported elsewhere, and stays readable while it is open.
    else if (!existsSync(path)) return
    else if (!part.isTidy) await this.#seal(part)
  }

  /** The segments before the one with this id, as they are now. */
  #parts (before: number): Part[] {
    const { index, segments } = this.#options
    let after: Offset = 0
    return segments.snapshot(before).map((snapshot) => {
      const { note: { lastOffset }, livingBytes, length } = snapshot
      const living = snapshot.living ?? index.living(after, lastOffset)
      after = lastOffset
      const isSealed = snapshot.living !== null
      const hasLiving = isSealed ? livingBytes > 0 : living.length > 0
      // The header and the footer of a small file are more than half of its bytes.
      const isWhole = snapshot.living !== null && countBits(snapshot.living) === snapshot.note.count
      const isTidy = isSealed && (isWhole || 2 * livingBytes >= length)
      return { snapshot, living, hasLiving, isTidy }
    })
  }

  async #writeCheckpoint ({ next, previous }: Roll, parts: readonly Part[]): Promise<void> {
    const { folder, origin, index, keys, values, lossesFrom, settled, disk, head } = this.#options
    const before = this.#checkpoint
    const content = {
      next: next.id,
      origin,
      predecessor: previous,
      asOf: head(),
      recent: index.living(previous.lastOffset, head()),
      segments: parts.filter(({ hasLiving }) => hasLiving).map(({ snapshot: { note }, living }) => ({ note, living })),
      evictions: index.evictions(),
      keys: keys.entries(),
      values: values(),
      replayed: lossesFrom(next.id)
    }
    // The evictions of a record may be on the disk only when the record is there, or is known to be lost.
    await settled()
    await writeCheckpoint(folder, content, disk)
    this.#checkpoint = next.id
    if (before !== null && before !== next.id) await unlink(join(folder, checkpointName(before))).catch(() => {})
  }

  /** Removes a segment without living records, which the checkpoint does not name any more. */
  async #remove ({ note: { id }, path }: SegmentSnapshot): Promise<void> {
    this.#options.segments.drop(id)
    await rm(path, { force: true })
    await syncFolder(this.#options.folder, this.#options.disk)
  }

  async #seal ({ snapshot: { note, path, length }, living }: Part): Promise<void> {
    const { sealer, segments, index, origin, isSynced, log } = this.#options
    const { id, lastOffset } = note
    const request = { path, id, origin, lastOffset, length, living, isSynced }
    const { offsets, positions, damaged } = await sealer.seal(request)
    if (this.#isClosed) return
    const segment = Segment.open(path, id, lastOffset)
    segments.replace(segment, offsets.length, index.relocate(offsets, positions))
    if (damaged.length === 0) return
    log.error({ path, offsets: damaged.slice(0, 10), count: damaged.length }, 'messages in the log are damaged; their readers receive a gap')
    for (const offset of damaged) index.lose(offset)
  }
}
