import { readFileSync } from 'node:fs'
import { platform } from 'node:process'

/** Memory and connections of a server. */
export interface Memory {
  /** Resident memory in bytes. */
  rss: number
  /** Part of `rss` that consists of file pages, which the operating system can reclaim at any time; only on Linux. */
  filePages?: number
  /** Connections, where the server counts them. */
  clients?: number
}

/** Returns the memory of this process after a garbage collection. */
export function ownMemory (): Memory {
  globalThis.gc?.()
  globalThis.gc?.()
  const rss = process.memoryUsage.rss()
  return platform === 'linux' ? { rss, filePages: filePages() } : { rss }
}

// proc_pid_status(5)
function filePages (): number {
  const [, kilobytes] = /^RssFile:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
  return Number(kilobytes ?? 0) * 1024
}

/** Returns the memory without file pages, in bytes. */
export function ownBytes ({ rss, filePages = 0 }: Memory): number {
  return rss - filePages
}
