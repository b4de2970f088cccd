// Checks the package as an importing program gets it: `npm run lint:package`, after `npm run build`. Packs once, without
// scripts, because `prepack` would build again; both programs read the same tarball.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cwd = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'fastify-hub-package-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const pack = ['pack', '--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', folder]
const [{ filename }] = JSON.parse(execFileSync('npm', pack, { cwd, encoding: 'utf8' }))
const tarball = join(folder, filename)
const options = { cwd, stdio: 'inherit' }

try {
  execFileSync('publint', ['run', tarball, '--strict'], options)
  // The package is for `import` alone.
  execFileSync('attw', [tarball, '--profile', 'esm-only', '--no-color', '--no-emoji'], options)
} catch ({ status, message }) {
  // A program that found a fault has written it; a program that could not be started has not.
  if (typeof status !== 'number') process.stderr.write(`${message}\n`)
  process.exitCode = status || 1
}
