import { existsSync, statSync } from 'node:fs'
import { baseUrl } from './paths.ts'

const built = new URL('dist/index.js', baseUrl)

/**
 * Returns the entry of the measured fastify-hub: the compiled package, as users run it; without a build, the sources.
 */
export function entry (): URL {
  return existsSync(built) ? built : new URL('index.ts', baseUrl)
}

/** Returns a stamp that changes when the package is compiled again, which invalidates a run. */
export function buildStamp (): string {
  const url = entry()
  return `${url.href} ${statSync(url).mtimeMs}`
}
