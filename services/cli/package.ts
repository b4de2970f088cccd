import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Absolute path of something in this package, which is the same from the sources and from dist/. */
export function packagePath (...parts: string[]): string {
  return join(ROOT, ...parts)
}

/** The version in package.json. */
export function packageVersion (): string {
  const { version } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as { version: string }
  return version
}

const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)))

function findRoot (folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder))
}
