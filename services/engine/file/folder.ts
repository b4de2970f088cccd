import { mkdirSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { HubError } from '../../model/errors.ts'
import { FolderLock } from '../local/disk/folder-lock.ts'

/** Names of the files of the engine lmdb, which must not be written. */
const LMDB_FILES = ['data.mdb', 'opened.json']

/** A folder that belongs to this process. */
export interface Folder {
  readonly path: string
  release (): Promise<void>
}

/**
 * Takes a folder for this process. Creates a missing folder.
 *
 * @throws {HubError} HUB_STORE_FAILED when the folder is in use or unusable, or holds the log of another engine. Such a
 *   folder is left as it is.
 */
export async function takeFolder (given: string): Promise<Folder> {
  const path = resolve(given)
  try {
    // Messages are private: only the user of this process may read the folder.
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const sentence = `The folder ${path} cannot be made (${String(cause)}); choose another with engine.path, or make it writable.`
    throw new HubError('HUB_STORE_FAILED', sentence, { cause })
  }
  assertOwn(path)
  const lock = await FolderLock.take(path)
  return { path, release: () => lock.release() }
}

function assertOwn (path: string): void {
  let names: string[]
  try {
    names = readdirSync(path)
  } catch (cause) {
    throw new HubError('HUB_STORE_FAILED', `The folder ${path} cannot be read (${String(cause)}).`, { cause })
  }
  if (!names.some((name) => LMDB_FILES.includes(name))) return
  const sentence = `The folder ${path} holds the log of the engine lmdb, of version 0.1, which this version does not read: ` +
    'choose another folder with engine.path, or run version 0.1 until its inboxes are empty.'
  throw new HubError('HUB_STORE_FAILED', sentence)
}
