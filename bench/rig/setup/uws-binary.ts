import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { baseUrl } from './paths.ts'

const { platform, arch, version, versions } = process
const file = `bench/node_modules/@trufflesuite/uws-js-unofficial/binaries/uws_${platform}_${arch}_${versions.modules}.node`

/** The compiled part of uWebSockets for this Node. Never its package: that would put a slow stand-in in its place. */
export const uwsBinary = fileURLToPath(new URL(file, baseUrl))

/** Why uWebSockets cannot be measured here; undefined when it can. */
export function uwsMissing (): string | undefined {
  // In a process of its own: a binary that does not fit may take the process with it.
  const { status } = spawnSync(process.execPath, ['-e', 'require(process.argv[1])', uwsBinary])
  return status === 0 ? undefined : `its package has no binary that loads on Node ${version}, ${platform} ${arch}`
}
