// What `npm i fastify-hub` brings: the number of packages, their size, and no scripts that run at the installation.
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { packagePath } from '../../services/cli/package.ts'

/** With fastify-hub itself. Installed elsewhere, a package may need another copy of a dependency. */
const MAX_PACKAGES = 97
const MAX_BYTES = 40e6
/** Files take whole blocks on most disks. */
const BLOCK_BYTES = 4096

interface Entry { readonly dev?: true, readonly optional?: true, readonly hasInstallScript?: true }

const lock = JSON.parse(readFileSync(packagePath('package-lock.json'), 'utf8')) as { packages: Record<string, Entry> }
const installed = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true)

const onDisk = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES

/** Bytes of the files of a package on a disk, without the packages inside. */
function bytesIn (folder: string): number {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    if (entry.name === 'node_modules') return sum
    const path = join(folder, entry.name)
    return sum + (entry.isDirectory() ? bytesIn(path) : onDisk(statSync(path).size))
  }, 0)
}

t.test('the package brings few packages, and none of them runs a script at the installation', async (t) => {
  t.ok(installed.length + 1 <= MAX_PACKAGES, `${installed.length + 1} packages`)
  t.same(installed.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path), [])
  const { scripts } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as { scripts: Record<string, string> }
  t.same(Object.keys(scripts).filter((name) => /^(pre|post)?(install|prepare|prepublish|dependencies)$/.test(name)), [])
})

t.test('the packages are small', async (t) => {
  const sizes = installed.map(([path]) => bytesIn(packagePath(path)))
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: packagePath() })
  const [{ files }] = JSON.parse(stdout) as [{ files: Array<{ size: number }> }]
  const bytes = [...sizes, ...files.map(({ size }) => onDisk(size))].reduce((sum, one) => sum + one, 0)
  t.ok(bytes > 10e6, 'the packages are installed')
  t.ok(bytes <= MAX_BYTES, `${(bytes / 1e6).toFixed(1)} MB`)
})
