// Looks at the files of a log. An engine that has them open may rename or remove any of them between two calls.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The bytes of a file; none when it is gone. */
export function bytesOf (file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

/** The names of the segments, the oldest first. */
export function segmentsOf (path: string): string[] {
  return readdirSync(path).filter((name) => name.endsWith('.seg')).sort()
}

/** Whether a file is a sealed segment; false when it is gone, or has no header yet. */
export function isSealed (file: string): boolean {
  const bytes = bytesOf(file)
  return bytes.length > 11 && bytes.readUInt16LE(10) === 1
}

/** Whether the newest segment has a checkpoint: the one before has been processed. */
export function hasNewestCheckpoint (path: string): boolean {
  const newest = segmentsOf(path).at(-1)
  return newest !== undefined && readdirSync(path).includes(newest.replace('seg', 'checkpoint'))
}

/** The content of all files but the lock. */
export function contentOf (path: string): Record<string, string> {
  const names = readdirSync(path).filter((name) => !name.endsWith('.sock'))
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(path, name), 'latin1')]))
}
