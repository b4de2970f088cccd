import { mkdirSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { HubError } from '../../../model/errors.ts'
import { FolderLock } from './folder-lock.ts'

/** A folder that belongs to this process. */
export interface Folder {
  readonly path: string
  readonly release: () => Promise<void>
}

/** Files of version 0.1. */
const FORMER_FILES = ['data.mdb', 'opened.json']

/**
 * Takes a folder for this process. Creates a missing folder.
 *
 * @throws {HubError} HUB_STORE_FAILED when the folder is in use or unusable, or holds the log of version 0.1, which is
 *   left as it is.
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
  if (namesIn(path).some((name) => FORMER_FILES.includes(name))) {
    const sentence = `The folder ${path} holds the log of the engine lmdb, of version 0.1, which this version does not read: ` +
      'choose another folder with engine.path, or run version 0.1 until its inboxes are empty.'
    throw new HubError('HUB_STORE_FAILED', sentence)
  }
  const lock = await FolderLock.take(path)
  return { path, release: () => lock.release() }
}

function namesIn (path: string): string[] {
  try {
    return readdirSync(path)
  } catch (cause) {
    throw new HubError('HUB_STORE_FAILED', `The folder ${path} cannot be read (${String(cause)}).`, { cause })
  }
}
