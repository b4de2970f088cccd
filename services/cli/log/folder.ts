import { closeSync, fstatSync, openSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { checkpointId } from '../../engine/file/housekeeping/checkpoint.ts'
import { segmentId } from '../../engine/file/journal/format.ts'

/** The files of a log, by their names. */
export interface LogListing {
  readonly path: string
  /** Ids of the segments, rising. */
  readonly segments: readonly number[]
  /** Ids of the checkpoints, rising. */
  readonly checkpoints: readonly number[]
  /** Names of half-written files of a killed process. */
  readonly leftOver: readonly string[]
  /** Whether a process owns the folder, or has been killed while it did. */
  readonly isOwned: boolean
}

/**
 * Lists the files of a log.
 *
 * @throws {Error} When the path is no folder, or the folder holds no log of the engine `file`.
 */
export function listLog (folder: string): LogListing {
  const path = resolve(folder)
  const names = namesIn(path)
  if (names.includes('data.mdb')) throw new Error(`The folder ${path} holds the log of the engine lmdb, of version 0.1, not of this one.`)
  const listing = {
    path,
    segments: names.flatMap((name) => segmentId(name) ?? []).sort((a, b) => a - b),
    checkpoints: names.flatMap((name) => checkpointId(name) ?? []).sort((a, b) => a - b),
    leftOver: names.filter((name) => /\.(seg|checkpoint)\.tmp$/.test(name)),
    isOwned: names.some((name) => /^owner-.*\.sock$/.test(name))
  }
  if (listing.segments.length + listing.checkpoints.length > 0 || names.includes('offsets')) return listing
  throw new Error(`The folder ${path} holds no log; name the folder of engine.path.`)
}

/**
 * Calls `use` with an open file and its size. Returns null when the file does not exist: a running service replaces and
 * removes files.
 */
export function withFile<T> (folder: string, name: string, use: (fd: number, size: number) => T): T | null {
  let fd: number
  try {
    fd = openSync(join(folder, name), 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
  try {
    return use(fd, fstatSync(fd).size)
  } finally {
    closeSync(fd)
  }
}

function namesIn (path: string): string[] {
  try {
    return readdirSync(path)
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') throw new Error(`There is no folder ${path}.`, { cause })
    if (codeOf(cause) === 'ENOTDIR') throw new Error(`${path} is no folder.`, { cause })
    throw cause
  }
}

function codeOf (error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
