import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Returns how Node starts a program of the tests: the path of the file and the options of Node. `base` is the URL of the
 * module that asks. The program runs as that module does: compiled, or from its source through tsx.
 */
export function program (name: string, base: string): { path: string, execArgv: string[] } {
  const path = fileURLToPath(new URL(name, base))
  return extname(base) === '.ts' ? { path, execArgv: ['--import', 'tsx'] } : { path: path.replace(/\.ts$/, '.js'), execArgv: [] }
}
