import { mkdirSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { HubError } from '../../../model/errors.ts'
import { FolderLock } from './folder-lock.ts'

/** A folder that belongs to this process. */
export interface Folder {
  readonly path: string
  readonly release: () => Promise<void>
}

/** Files of another engine. A folder with such a file is refused, and left as it is. */
export interface ForeignFiles {
  isForeign (name: string): boolean
  /** What the folder holds and what to do, behind the words "The folder …". */
  readonly advice: string
}

/**
 * Takes a folder for this process. Creates a missing folder.
 *
 * @throws {HubError} HUB_STORE_FAILED when the folder is in use or unusable, or holds files of another engine.
 */
export async function takeFolder (given: string, foreign: ForeignFiles): Promise<Folder> {
  const path = resolve(given)
  try {
    // Messages are private: only the user of this process may read the folder.
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const sentence = `The folder ${path} cannot be made (${String(cause)}); choose another with engine.path, or make it writable.`
    throw new HubError('HUB_STORE_FAILED', sentence, { cause })
  }
  if (namesIn(path).some((name) => foreign.isForeign(name))) {
    throw new HubError('HUB_STORE_FAILED', `The folder ${path} ${foreign.advice}`)
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
