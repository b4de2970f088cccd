import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { baseUrl } from './paths.ts'

const { platform, arch, version, versions } = process
const file = `bench/node_modules/@trufflesuite/uws-js-unofficial/binaries/uws_${platform}_${arch}_${versions.modules}.node`

/**
 * The compiled part of uWebSockets for this Node. The package itself is not loaded, because it falls back to a slow
 * replacement.
 */
export const uwsBinary = fileURLToPath(new URL(file, baseUrl))

/** Returns the reason why uWebSockets cannot be measured here; undefined when it can. */
export function uwsMissing (): string | undefined {
  // In a process of its own, because an incompatible binary may crash the process.
  const { status } = spawnSync(process.execPath, ['-e', 'require(process.argv[1])', uwsBinary])
  return status === 0 ? undefined : `its package has no binary that loads on Node ${version}, ${platform} ${arch}`
}
