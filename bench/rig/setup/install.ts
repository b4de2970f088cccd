import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { baseUrl } from './paths.ts'

/** Installs the packages that only the benchmark needs, if one of them is missing. */
export function install (): void {
  const { dependencies } = JSON.parse(readFileSync(new URL('bench/package.json', baseUrl), 'utf8')) as { dependencies: Record<string, string> }
  const isComplete = Object.keys(dependencies).every((name) => existsSync(new URL(`bench/node_modules/${name}`, baseUrl)))
  if (isComplete) return
  execFileSync('npm', ['ci', '--prefix', 'bench'], { cwd: fileURLToPath(baseUrl), stdio: 'inherit' })
}
