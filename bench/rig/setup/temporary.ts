import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folders = new Set<string>()
process.on('exit', () => { for (const folder of folders) removeFolder(folder) })
// Without a listener, these signals end the run without an exit event.
process.on('SIGINT', () => process.exit(130))

/** Creates an empty temporary folder; it is removed when the run ends, if not before. */
export function temporaryFolder (): string {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-hub-bench-'))
  folders.add(folder)
  return folder
}

/** Removes a temporary folder with its content. */
export function removeFolder (folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  folders.delete(folder)
}
