// Builds dist/ before `npm start` when it is missing or older than a source. Does nothing where there is nothing to build
// with: in the published package, which has dist/ and no sources, and without the packages for development.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCES = ['app.ts', 'index.ts', 'server.ts', 'tsconfig.json', 'tsconfig.build.json', 'package.json', 'plugins', 'routes', 'services']
const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

if (existsSync('server.ts') && existsSync('node_modules/typescript') && isOutdated()) {
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit', shell: process.platform === 'win32' })
  process.exitCode = status ?? 1
}

/** Whether dist/ is missing or older than a source. The entry point of the program is written by every build. */
function isOutdated () {
  if (!existsSync('dist/server.js')) return true
  const { mtimeMs: built } = statSync('dist/server.js')
  return SOURCES.some((path) => newest(path) > built)
}

/** The time of the latest change of a file, or in a folder. */
function newest (path) {
  const { mtimeMs } = statSync(path)
  const inside = statSync(path).isDirectory() ? readdirSync(path, { recursive: true }).map((name) => statSync(join(path, name)).mtimeMs) : []
  return Math.max(mtimeMs, ...inside)
}
