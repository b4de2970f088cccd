import { existsSync, statSync } from 'node:fs'
import { baseUrl } from './paths.ts'

const built = new URL('dist/index.js', baseUrl)

/** What is measured as fastify-hub: the compiled package, which is what users run; without a build, the sources. */
export function entry (): URL {
  return existsSync(built) ? built : new URL('index.ts', baseUrl)
}

/** Changes when the package is compiled anew, which must not happen during a run. */
export function buildStamp (): string {
  const url = entry()
  return `${url.href} ${statSync(url).mtimeMs}`
}
