import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Returns the path of a program of the tests, and the options of Node that start the program. `base` is the URL of the
 * calling module. The program runs in the same form as the calling module: compiled, or from its source through tsx.
 */
export function program (name: string, base: string): { path: string, execArgv: string[] } {
  const path = fileURLToPath(new URL(name, base))
  return extname(base) === '.ts' ? { path, execArgv: ['--import', 'tsx'] } : { path: path.replace(/\.ts$/, '.js'), execArgv: [] }
}
