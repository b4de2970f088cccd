import { mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import { HubError } from '../../model/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Offset } from '../../model/message.ts'
import { takeFolder, type Folder } from '../local/disk/folder.ts'
import { hiddenDamage, obviousDamage } from './check.ts'
import { encodeNumbers, keyOf, LAYOUT_VERSION, numberAt, numberAtEnd, orderKey } from './layout.ts'
import { Changes, isDamage, LMDB_OPTIONS, LmdbFile } from './file.ts'
import { OffsetLease } from '../local/disk/offset-lease.ts'
import { OpenRecord } from './open-record.ts'
import { RETENTION_CLASSES } from '../local/retention.ts'

const DATA = 'data.mdb'
const LOCK = 'lock.mdb'
/**
 * More bytes than lmdb writes to its lock file. lmdb writes through mapped memory: a full disk would end the process.
 */
const LOCK_BYTES = 16_384
const LAYOUT_KEY = keyOf('meta', Buffer.from('layout'))
const ORIGIN_KEY = keyOf('meta', Buffer.from('origin'))

/** The files of the engine file. */
const SEGMENT_FILES = {
  isForeign: (name: string): boolean => /^\d{8,}\.(seg|checkpoint)$/.test(name),
  advice: 'holds the log of the engine file: set engine.kind to file, or choose another folder with engine.path.'
}

/** A folder with a store in it, open and locked. */
export interface LmdbFolder {
  readonly path: string
  readonly store: LmdbFile
  readonly lease: OffsetLease
  /** The first offset of this log. */
  readonly origin: Offset
  /** Requests a check of the store when the folder is next opened. */
  suspect (): void
  /**
   * Closes the folder. `isIdle`: no transaction is in flight. Otherwise the store stays open, because its close would
   * block the whole process.
   */
  close (isIdle: boolean): Promise<void>
}

/**
 * Opens the store in a folder. Creates a missing folder. Moves a damaged store aside and begins with an empty store.
 * Throws HUB_STORE_FAILED when the folder is in use, is unusable, or contains a store of another version or engine.
 */
export async function openFolder (path: string, log: Log, now: () => number): Promise<LmdbFolder> {
  const folder = await takeFolder(path, SEGMENT_FILES)
  try {
    return await openLocked(folder, log, now)
  } catch (cause) {
    await folder.release()
    if (cause instanceof HubError) throw cause
    throw new HubError('HUB_STORE_FAILED', `The store in ${folder.path} cannot be opened (${String(cause)}).`, { cause })
  }
}

async function openLocked ({ path: folder, release }: Folder, log: Log, now: () => number): Promise<LmdbFolder> {
  const record = new OpenRecord(join(folder, 'opened.json'))
  const isChecked = record.isSuspicious
  let damage = obviousDamage(join(folder, DATA)) ?? (isChecked ? await hiddenDamage(folder) : null)
  let store: LmdbFile | null = null
  while (store === null) {
    if (damage !== null) setAside(folder, damage, log, now())
    record.opening(isChecked)
    const opened = await openStore(folder)
    if (typeof opened !== 'string') store = opened
    else if (damage === null) damage = opened
    else throw new Error(opened)
  }
  const lease = OffsetLease.open(join(folder, 'offsets'), newest(store), now)
  const origin = await originOf(store, lease)
  record.opened(isChecked)
  return { path: folder, store, lease, origin, suspect: () => record.suspect(), close: (isIdle) => close(store, lease, record, release, isIdle) }
}

/** Opens a store, or returns a description of its damage. */
async function openStore (folder: string): Promise<LmdbFile | string> {
  let store: LmdbFile | undefined
  try {
    makeRoomForLocks(join(folder, LOCK))
    store = new LmdbFile(open<Buffer, Buffer>({ path: folder, ...LMDB_OPTIONS }), join(folder, DATA))
    if (statSync(join(folder, DATA)).size < store.size) throw new Damage('it has been cut off')
    await assertLayout(store, folder)
    return store
  } catch (error) {
    await store?.close()
    if (error instanceof Damage) return error.message
    if (isDamage(error)) return String(error)
    throw error
  }
}

class Damage extends Error {}

async function assertLayout (store: LmdbFile, folder: string): Promise<void> {
  const version = store.get(LAYOUT_KEY)?.toString()
  if (version === LAYOUT_VERSION) return
  if (version === undefined && store.first({ start: Buffer.of(0), end: Buffer.of(0xff) }) === undefined) {
    const changes = new Changes()
    changes.put(LAYOUT_KEY, Buffer.from(LAYOUT_VERSION))
    await store.commit(changes)
    return
  }
  throw new HubError('HUB_STORE_FAILED', `The store in ${folder} has the layout ${version ?? 'of something else'}, and this version of fastify-hub knows only ${LAYOUT_VERSION}: run the version that wrote it, or choose another folder with engine.path.`)
}

function makeRoomForLocks (path: string): void {
  try {
    writeFileSync(path, Buffer.alloc(LOCK_BYTES), { flag: 'wx' })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

function setAside (folder: string, damage: string, log: Log, now: number): void {
  const movedTo = join(folder, `damaged-${new Date(now).toISOString().replaceAll(':', '.')}`)
  mkdirSync(movedTo, { recursive: true })
  for (const name of [DATA, LOCK]) {
    if (statSync(join(folder, name), { throwIfNoEntry: false }) !== undefined) renameSync(join(folder, name), join(movedTo, name))
  }
  log.error({ path: folder, damage, movedTo }, 'the log is damaged and was moved aside; it begins empty, and whoever comes back is told of a gap')
}

/** Returns the first offset of a store: a reader with a lower offset comes from another log. */
async function originOf (store: LmdbFile, lease: OffsetLease): Promise<Offset> {
  const known = store.get(ORIGIN_KEY)
  if (known !== undefined) return numberAt(known, 0)
  const changes = new Changes()
  const origin = lease.next()
  changes.put(ORIGIN_KEY, encodeNumbers(origin))
  await store.commit(changes)
  return origin
}

/** Returns the greatest offset of a stored message; 0 for an empty store. */
function newest (store: LmdbFile): number {
  const keys = RETENTION_CLASSES.map((shelf) => store.first({ start: orderKey(shelf, Infinity), end: orderKey(shelf, 0), reverse: true }))
  return Math.max(0, ...keys.map((key) => key === undefined ? 0 : numberAtEnd(key)))
}

async function close (store: LmdbFile, lease: OffsetLease, record: OpenRecord, release: () => Promise<void>, isIdle: boolean): Promise<void> {
  if (isIdle) {
    await store.close()
    record.closed()
  }
  await lease.close()
  await release()
}
