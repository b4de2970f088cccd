// Runs tests on another version of Node: `node scripts/test-on.js 26 [parts of paths]`, by default the quick tests and the
// tests of upgrades, which depend on the version most. Installs that Node from npm into a folder of the checkout, and only
// that with `--install` in place of parts. Where npm has no such Node for this machine, the tests are skipped, and with
// CI=true they fail.

import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { delimiter, dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const isWindows = process.platform === 'win32'

const [version, ...parts] = process.argv.slice(2)
if (version === undefined || !/^\d+(\.\d+)*$/.test(version)) {
  console.error('Name a version of Node, such as `npm run test:node -- 26`.')
  process.exit(1)
}
const node = install(version)
if (node === undefined) {
  const isRequired = process.env.CI === 'true'
  console.log(`skip  Node ${version}: npm cannot install it on this machine`)
  if (!parts.includes('--install')) console.log(isRequired ? '0 passed, 1 failed' : '0 passed, 0 failed, 1 skipped')
  process.exitCode = isRequired ? 1 : 0
} else if (!parts.includes('--install')) {
  // The test runner and the programs that tests start find this Node first.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` }
  const [command, args] = parts.length > 0
    ? [node, ['scripts/test.js', ...parts]]
    : ['npm', ['run', '--silent', 'test:quick', '--', 'test/hostile/upgrade', 'test/hostile/ignored-upgrades']]
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', env, shell: isWindows })
  process.exitCode = status ?? 1
}

/** Installs the newest release of a version of Node, once. Returns the path of its program, or undefined without one. */
function install (version) {
  const folder = resolve(ROOT, '.nodes', version)
  const name = `node-${isWindows ? 'win' : process.platform}-${process.arch}`
  const program = resolve(folder, 'node_modules', name, 'bin', isWindows ? 'node.exe' : 'node')
  if (existsSync(program)) return program
  const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--silent']
  const { status } = spawnSync('npm', ['install', ...options, '--prefix', folder, `${name}@${version}`], { stdio: 'ignore', shell: isWindows })
  if (status === 0 && existsSync(program)) return program
  rmSync(folder, { recursive: true, force: true })
  return undefined
}
