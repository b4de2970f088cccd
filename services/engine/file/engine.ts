import { join } from 'node:path'
import { HubError } from '../../model/errors.ts'
import type { Log } from '../../lib/log.ts'
import { settledWithin } from '../../lib/timeout.ts'
import { Engine, type EngineParts } from '../engine.ts'
import { Lifetime } from '../lifetime.ts'
import { LocalBus } from '../local/bus.ts'
import { IdempotencyRecords } from '../local/idempotency.ts'
import { NO_ORDINAL } from '../local/index/index-record.ts'
import { LogIndex } from '../local/index/log-index.ts'
import { LogStore } from '../local/log-store.ts'
import { LocalOrder } from '../local/order.ts'
import type { Retention } from '../local/retention.ts'
import { Values } from '../local/state/values.ts'
import { FileWatch } from './folder/file-watch.ts'
import { takeFolder, type Folder } from './folder/folder.ts'
import { OffsetLease } from './folder/offset-lease.ts'
import { explainFailure } from './folder/problem.ts'
import { HotWindow } from './hot-window.ts'
import { Housekeeping } from './housekeeping/housekeeping.ts'
import { DISK, type Disk } from './journal/disk.ts'
import { Journal } from './journal/journal.ts'
import { Losses } from './losses.ts'
import { FilePayloads } from './payloads.ts'
import { recover, type Recovered } from './recovery/recovery.ts'
import { Sealer } from './housekeeping/sealer.ts'
import { Segments } from './segments.ts'
import { FileState } from './state.ts'

/** The folder of a log, and the settings of its files. */
export interface FilePlace {
  /** A folder on a local disk. A missing folder is created. */
  readonly path: string
  readonly log: Log
  /**
   * Bytes of a segment file.
   * @default as many as the log may have, or as the state has if that is more; at least 1 MiB, at most 64 MiB
   */
  readonly segmentBytes?: number
  /**
   * Bytes of recent messages in memory at most.
   * @default 67108864 (64 MiB)
   */
  readonly hotBytes?: number
  /**
   * Tombstones of one kind of address at most; see `Addresses`.
   * @default 100000
   */
  readonly maxTombstones?: number
  readonly disk?: Disk
}

const HOT_BYTES = 64 * 1024 ** 2
const MIN_SEGMENT_BYTES = 1024 ** 2
const MAX_SEGMENT_BYTES = 64 * 1024 ** 2
const RENEW_MS = 10_000
/** Time limit for queued writes to reach the disk. */
const CLOSE_MS = 5000

/**
 * Opens an engine on segment files in a folder. A message that is reported as stored survives a crash of the process
 * and of the machine; the follower receives a message before it is on the disk.
 *
 * @throws {HubError} HUB_STORE_FAILED when the folder is in use, is unusable, or holds the log of another engine.
 */
export async function openFileEngine (retention: Retention, place: FilePlace): Promise<Engine> {
  return new Engine(await openFileParts(retention, place))
}

/** Opens the parts of an engine on segment files; see `openFileEngine`. To close the store closes the files. */
export async function openFileParts (retention: Retention, place: FilePlace): Promise<EngineParts> {
  const folder = await takeFolder(place.path)
  try {
    return open(folder, retention, place)
  } catch (cause) {
    await folder.release()
    if (cause instanceof HubError) throw cause
    throw new HubError('HUB_STORE_FAILED', `The log in ${folder.path} cannot be opened (${String(cause)}).`, { cause })
  }
}

function open (folder: Folder, retention: Retention, place: FilePlace): EngineParts {
  const { log, hotBytes = HOT_BYTES, segmentBytes, maxTombstones, disk = DISK } = place
  const { now = Date.now, idempotencyWindowMs: windowMs } = retention
  const index = new LogIndex(retention, maxTombstones === undefined ? {} : { maxTombstones })
  const keys = new IdempotencyRecords()
  const values = new Values(now)
  const segments = new Segments()
  const hot = new HotWindow(hotBytes)
  index.onRemove((offset, ordinal, bytes) => {
    hot.remove(offset)
    if (ordinal !== NO_ORDINAL) segments.remove(offset, ordinal, bytes)
  })
  const recovered = recover({ folder: folder.path, index, keys, values, segments, hot, log, windowMs, now })

  const lease = OffsetLease.open(join(folder.path, 'offsets'), recovered.lastOffset, now)
  const origin = recovered.origin ?? lease.next()
  const housekeeping = new Housekeeping({
    folder: folder.path,
    origin,
    index,
    keys,
    values: () => state.durable(),
    lossesFrom: (id) => losses.from(id),
    settled: () => journal.settled(),
    segments,
    sealer: new Sealer(),
    log,
    disk,
    isSynced: true,
    head: () => store.head
  }, recovered.checkpoint)
  const journal = new Journal({
    folder: folder.path,
    origin,
    start: recovered.start,
    segmentBytes: () => segmentBytes ?? defaultSegmentBytes(retention.maxBytes, values.bytes),
    disk,
    explain: explainFailure,
    onProblem: (problem, err) => {
      if (problem !== null) return log.error({ err, path: folder.path }, problem)
      log.info({ path: folder.path }, 'the log can be written again')
      losses.write()
    },
    onRoll: (full, next) => {
      segments.add(next)
      const previous = full?.asPredecessor() ?? predecessorOf(recovered)
      if (previous !== null) housekeeping.begin(previous, next)
    }
  })
  const renewing = setInterval(() => lease.renew(), RENEW_MS).unref()
  const watch = new FileWatch(segments, journal, log)
  const close = async (): Promise<void> => {
    clearInterval(renewing)
    watch.close()
    await journal.close(CLOSE_MS)
    await housekeeping.close()
    segments.close()
    await settledWithin(lease.close(), CLOSE_MS)
    await folder.release()
  }
  const lifetime = new Lifetime()
  const state = new FileState(values, journal, lifetime, now)
  const losses = new Losses(journal)
  const payloads = new FilePayloads({ journal, segments, index, hot, losses, log, windowMs, close })
  const head = lease.last
  const store = new LogStore({ head, index, keys, payloads }, retention)
  if (recovered.isDoubtful) store.noteHole(head)

  return { order: new LocalOrder(origin, lease), store, state, bus: new LocalBus(lifetime), lifetime, now }
}

/** A small log gets small files. A file is as large as the values that its checkpoint has to write, at least. */
function defaultSegmentBytes (maxBytes: number, valueBytes: number): number {
  return Math.min(MAX_SEGMENT_BYTES, Math.max(MIN_SEGMENT_BYTES, maxBytes, valueBytes))
}

function predecessorOf ({ start }: Recovered) {
  return 'predecessor' in start ? start.predecessor : null
}
