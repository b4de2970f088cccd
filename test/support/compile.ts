import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import type { Test } from 'tap'

const compiled = new Map<string, string>()

/**
 * Compiles a program of the tests, with its imports from this repository, into one file. Returns the path of the file, which
 * is removed after the last test. A process that compiles the sources itself takes four times as long to start.
 */
export function compile (t: Test, url: URL): string {
  const program = fileURLToPath(url)
  const known = compiled.get(program)
  if (known !== undefined) return known
  const outfile = join(rootOf(t).testdir({}), `${basename(program, '.ts')}.mjs`)
  buildSync({ entryPoints: [program], outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external', sourcemap: 'inline' })
  compiled.set(program, outfile)
  return outfile
}

function rootOf (t: Test): Test {
  return t.parent === undefined ? t : rootOf(t.parent as Test)
}
