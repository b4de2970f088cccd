import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Returns the absolute path of a file or folder of this package. The path is the same from the sources and from dist/.
 */
export function packagePath (...parts: string[]): string {
  return join(ROOT, ...parts)
}

/** Returns the version in package.json. */
export function packageVersion (): string {
  const { version } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as { version: string }
  return version
}

/** The folder of package.json. */
const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)))

function findRoot (folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder))
}
