import { execFileSync, spawnSync } from 'node:child_process'
import { basename, join } from 'node:path'
import { temporaryFolder } from './temporary.ts'

const programs = new Map<string, string>()

/** Compiles a C program once per run and returns the path of the result; the result is deleted when the run ends. */
export function compiled (source: string): string {
  const known = programs.get(source)
  if (known !== undefined) return known
  const program = join(temporaryFolder(), basename(source, '.c'))
  execFileSync('gcc', ['-O2', '-o', program, source], { stdio: 'inherit' })
  programs.set(source, program)
  return program
}

/** Returns the reason why programs in C cannot be measured here; undefined when they can. */
export function compilerMissing (): string | undefined {
  if (process.platform !== 'linux') return 'it uses epoll, which only Linux has'
  return spawnSync('gcc', ['--version']).status === 0 ? undefined : 'gcc is not installed'
}
