// Builds dist/ before `npm start` when dist/ is missing or older than a source. The published package has dist/ and no
// sources: nothing is built there.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCES = [
  'app.ts', 'index.ts', 'server.ts', 'tsconfig.json', 'tsconfig.build.json', 'package.json', 'plugins', 'routes', 'services'
]
const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

if (existsSync('server.ts') && isOutdated()) {
  if (existsSync('node_modules/typescript')) build()
  else if (!existsSync('dist/server.js')) {
    console.error('dist/ is missing, and so are the packages that build it: run npm ci and npm run build first.')
    process.exitCode = 1
  }
}

function build () {
  const options = { stdio: 'inherit', shell: process.platform === 'win32' }
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], options)
  process.exitCode = status ?? 1
}

/** Whether dist/ is missing or older than a source. Every build writes the entry point of the program. */
function isOutdated () {
  if (!existsSync('dist/server.js')) return true
  const { mtimeMs: built } = statSync('dist/server.js')
  return SOURCES.some((path) => newest(path) > built)
}

/** The time of the latest change of a file, or in a folder. */
function newest (path) {
  const inside = statSync(path).isDirectory() ? readdirSync(path, { recursive: true }) : []
  return Math.max(...['', ...inside].map((name) => statSync(join(path, name)).mtimeMs))
}
